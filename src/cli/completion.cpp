#include "cli/completion.h"

#include "base/text.h"

namespace coffer::cli {
namespace {

// One `case` over the words typed so far; files where no word fits.
std::string bash(const std::vector<CommandWords>& commands) {
  std::string text =
      "_coffer() {\n"
      "  local path= word words current=\"${COMP_WORDS[COMP_CWORD]}\"\n"
      "  for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
      "    case \" $_coffer_paths \" in\n"
      "      *\" ${path:+$path-}$word \"*) path=\"${path:+$path-}$word\";;\n"
      "    esac\n"
      "  done\n"
      "  case \"$path\" in\n";
  std::string paths;
  for (const auto& one : commands) {
    std::string key = join(split(one.path, ' '), "-");
    paths += key.empty() ? "" : " " + key;
    text += "    " + (key.empty() ? std::string("''") : key) + ") words='" +
            join(one.commands, " ") + (one.commands.empty() ? "" : " ") + join(one.options, " ") +
            "';;\n";
  }
  text +=
      "  esac\n"
      "  COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
      "}\n"
      "_coffer_paths='" +
      std::string(trim(paths)) +
      "'\n"
      "complete -o default -F _coffer coffer\n";
  return text;
}

std::string fish(const std::vector<CommandWords>& commands) {
  std::string text = "complete -c coffer -f\n";
  for (const auto& one : commands) {
    std::vector<std::string> seen;
    for (const auto& word : split(one.path, ' ')) {
      if (!word.empty()) seen.push_back("__fish_seen_subcommand_from " + word);
    }
    const std::string when = seen.empty() ? "__fish_use_subcommand" : join(seen, "; and ");
    for (const auto& command : one.commands) {
      text += "complete -c coffer -n '" + when + "' -a " + command + "\n";
    }
    for (const auto& option : one.options) {
      const bool is_long = option.starts_with("--");
      text += "complete -c coffer -n '" + when + "' " + (is_long ? "-l " : "-s ") +
              option.substr(is_long ? 2 : 1) + "\n";
    }
  }
  return text;
}

}  // namespace

std::string render_completion(std::string_view shell, const std::vector<CommandWords>& commands) {
  if (shell == "fish") return fish(commands);
  if (shell == "zsh") return "autoload -U +X bashcompinit && bashcompinit\n" + bash(commands);
  return bash(commands);
}

}  // namespace coffer::cli
