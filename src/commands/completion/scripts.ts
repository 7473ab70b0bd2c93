/**
 * What `completion SHELL` prints. Each asks `estrato __complete` for lines of VALUE<tab>DESCRIPTION; ":file" and
 * ":folder" mean that the shell knows better.
 */

/**
 * bash splits words at "=": the words go as they are, and of what comes back as much is cut off again as stands before
 * the last "=" that is typed already.
 */
const bash = `# bash completion for estrato: eval "$(estrato completion bash)"
_estrato() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" at=$COMP_CWORD cuts=0 line value cut
  if [[ $cur == "=" ]]; then
    cur="" cuts=1 at=$((at - 1))
  fi
  while ((at > 1)) && [[ \${COMP_WORDS[at - 1]} == "=" ]]; do
    cuts=$((cuts + 1)) at=$((at - 2))
  done
  COMPREPLY=()
  while IFS= read -r line; do
    value=\${line%%$'\\t'*}
    case $value in
      :file) compopt -o filenames; COMPREPLY+=($(compgen -f -- "$cur")); continue ;;
      :folder) compopt -o filenames; COMPREPLY+=($(compgen -d -- "$cur")); continue ;;
    esac
    for ((cut = 0; cut < cuts; cut++)); do value=\${value#*=}; done
    [[ $value == *: || $value == */ || $value == *= ]] && compopt -o nospace
    COMPREPLY+=("$(printf %q "$value")")
  done < <(estrato __complete "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _estrato estrato
`;

const zsh = `#compdef estrato
# zsh completion for estrato: eval "$(estrato completion zsh)", after compinit; or as a file _estrato in fpath
_estrato() {
  local line value word
  local -a found open
  while IFS= read -r line; do
    value=\${line%%$'\\t'*}
    case $value in
      :file) _files; continue ;;
      :folder) _files -/; continue ;;
    esac
    word="\${value//:/\\\\:}\${\${line#*$'\\t'}:+:\${line#*$'\\t'}}"
    if [[ $value == *= ]]; then open+=("$word"); else found+=("$word"); fi
  done < <(estrato __complete "\${(@)words[2,CURRENT]}" 2>/dev/null)
  (( \${#open} )) && _describe estrato open -S ''
  (( \${#found} )) && _describe estrato found
}
if [[ \${funcstack[1]} == _estrato ]]; then _estrato "$@"; else compdef _estrato estrato; fi
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
