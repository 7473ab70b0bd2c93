/**
 * What `completion SHELL` prints. Each asks `estrato __complete` for lines of VALUE<tab>DESCRIPTION; ":file" and
 * ":folder" mean that the shell knows better.
 */

/**
 * bash splits words at "=" and ":": the words go as they are, and what is already typed before the last "=" is cut off
 * again.
 */
const bash = `# bash completion for estrato: eval "$(estrato completion bash)"
_estrato() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" line value
  [[ $cur == "=" ]] && cur=""
  COMPREPLY=()
  while IFS= read -r line; do
    value=\${line%%$'\\t'*}
    case $value in
      :file) compopt -o filenames; COMPREPLY+=($(compgen -f -- "$cur")); continue ;;
      :folder) compopt -o filenames; COMPREPLY+=($(compgen -d -- "$cur")); continue ;;
      --*=*) value=\${value#*=} ;;
    esac
    [[ $value == *: || $value == */ ]] && compopt -o nospace
    COMPREPLY+=("$(printf %q "$value")")
  done < <(estrato __complete "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _estrato estrato
`;

const zsh = `#compdef estrato
# zsh completion for estrato: eval "$(estrato completion zsh)", after compinit
_estrato() {
  local line value
  local -a found
  while IFS= read -r line; do
    value=\${line%%$'\\t'*}
    case $value in
      :file) _files; continue ;;
      :folder) _files -/; continue ;;
    esac
    found+=("\${value//:/\\\\:}\${\${line#*$'\\t'}:+:\${line#*$'\\t'}}")
  done < <(estrato __complete "\${(@)words[2,CURRENT]}" 2>/dev/null)
  (( \${#found} )) && _describe estrato found
}
compdef _estrato estrato
`;

const fish = `# fish completion for estrato: estrato completion fish | source
function __estrato_complete
  for line in (estrato __complete (commandline -opc)[2..] (commandline -ct) 2>/dev/null)
    switch $line
      case ':file*'
        __fish_complete_path (commandline -ct)
      case ':folder*'
        __fish_complete_directories (commandline -ct)
      case '*'
        echo $line
    end
  end
end
complete -c estrato -f -a '(__estrato_complete)'
`;

export const SCRIPTS = { bash, zsh, fish } as const;
export const SHELLS = ["bash", "zsh", "fish"] as const;
