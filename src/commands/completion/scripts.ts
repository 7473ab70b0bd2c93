/**
 * What `completion SHELL` prints. Each asks `estrato __complete` for lines of VALUE<tab>DESCRIPTION; ":file" and
 * ":folder" mean that the shell knows better.
 */

/**
 * bash hands over words with their quotes, split at "=", ":" and "@". So the line itself is read: its words go as they
 * are meant, and of what comes back as much is cut off again as stands before the piece that bash completes.
 */
const bash = `# bash completion for estrato: eval "$(estrato completion bash)"
_estrato() {
  local typed="" quote="" from=0 begun="" at char line value
  local -a words=() files
  for ((at = 0; at < COMP_POINT; at++)); do
    char="\${COMP_LINE:at:1}"
    if [[ -n $quote && $char == "$quote" ]]; then
      quote=""
    elif [[ $char == "\\\\" && $quote != "'" ]]; then
      begun=1 at=$((at + 1))
      typed+="\${COMP_LINE:at:1}"
    elif [[ -z $quote && ($char == "'" || $char == '"') ]]; then
      begun=1 quote="$char"
    elif [[ -z $quote && $char == [[:space:]] ]]; then
      [[ -n $begun ]] && words+=("$typed")
      begun="" typed="" from=0
    else
      begun=1 typed+="$char"
      if [[ -z $quote && $char == [=:@] && $COMP_WORDBREAKS == *"$char"* ]]; then
        from=\${#typed}
        [[ $char == "@" ]] && from=$((from - 1)) # which is a part of the piece behind it
      fi
    fi
  done
  COMPREPLY=()
  while IFS= read -r line; do
    value=\${line%%$'\\t'*}
    case $value in
      :file) compopt -o filenames; mapfile -t files < <(compgen -f -- "\${typed:from}") ;;
      :folder) compopt -o filenames; mapfile -t files < <(compgen -d -- "\${typed:from}") ;;
    esac
    if [[ $value == :file || $value == :folder ]]; then
      COMPREPLY+=("\${files[@]}")
      continue
    fi
    value="\${value:from}"
    [[ $value == *: || $value == */ || $value == *= ]] && compopt -o nospace
    case $quote in
      '"')
        for char in '\\' '"' '$' '\`'; do value=\${value//"$char"/"\\\\$char"}; done
        ;;
      "'") value=\${value//"'"/"'\\\\''"} ;;
      *) value="$(printf %q "$value")" ;;
    esac
    COMPREPLY+=("$value")
  done < <(estrato __complete "\${words[@]:1}" "$typed" 2>/dev/null)
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
    word=\${value//\\\\/\\\\\\\\}
    word="\${word//:/\\\\:}\${\${line#*$'\\t'}:+:\${line#*$'\\t'}}"
    if [[ $value == *= ]]; then open+=("$word"); else found+=("$word"); fi
  done < <(estrato __complete "\${(@Q)words[2,CURRENT-1]}" "\${(Q)PREFIX}" 2>/dev/null)
  (( \${#open} )) && _describe estrato open -S ''
  (( \${#found} )) && _describe estrato found
}
if [[ \${funcstack[1]} == _estrato ]]; then _estrato "$@"; else compdef _estrato estrato; fi
`;

const fish = `# fish completion for estrato: estrato completion fish | source
function __estrato_complete
  set -l typed (commandline -ct)
  # A quote may still be open.
  set -l meant (string unescape -- "$typed"; or string unescape -- "$typed"'"'; or string unescape -- "$typed'"; or echo -- "$typed")
  for line in (estrato __complete (commandline -opc)[2..] "$meant" 2>/dev/null)
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
