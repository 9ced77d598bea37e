// Whether a program's own coffer.toml says what was signed for a run, decided in an empty cell.
//
//   argv[1]  the program's directory (/program)
//   stdin    {"aliases": [...], "parameters": {...}, "resources": {...}, "retry": n, "outputs":
//   [...]}
//            all as in the signed run
//   stdout   {"name": "...", "entry": ["..."], "params": "text of /params.json"}
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>

#include "base/json.h"
#include "cell/kit/modes.h"
#include "program/manifest.h"

namespace coffer::cell::kit {
namespace {

constexpr std::size_t kInputMax = std::size_t{4} << 20;

Result<std::string> read_input() {
  std::string text;
  std::array<char, 16384> block{};
  while (true) {
    const ssize_t got = ::read(0, block.data(), block.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Error{Code::Internal, "the signed terms cannot be read"};
    if (got == 0) return text;
    text.append(block.data(), static_cast<std::size_t>(got));
    if (text.size() > kInputMax)
      return Error{Code::InvalidArgument, "the signed terms are too long"};
  }
}

Result<program::RunTerms> read_terms(std::string_view text) {
  COFFER_TRY(const Json json, Json::parse(text));
  StrictReader in{json};
  program::RunTerms terms;
  terms.aliases = in.texts("aliases");
  terms.parameters = in.any("parameters");
  const Json& resources = in.any("resources");
  terms.retry = static_cast<unsigned>(in.uint("retry"));
  const Json& outputs = in.any("outputs");
  COFFER_CHECK(in.finish());
  COFFER_TRY(terms.resources, program::parse_resources(resources));
  COFFER_TRY(terms.outputs, program::parse_declaration(outputs));
  return terms;
}

Result<std::string> compare(const char* directory) {
  COFFER_TRY(const std::string input, read_input());
  COFFER_TRY(const program::RunTerms terms, read_terms(input));
  COFFER_TRY(const program::Manifest manifest, program::read_manifest(directory));
  COFFER_CHECK(program::agree(manifest, terms));
  COFFER_TRY(const auto params, program::params_from_signed(manifest.params, terms.parameters));
  return Json::object({{"name", manifest.name},
                       {"entry", Json{manifest.entry}},
                       {"params", program::params_file(params)}})
             .canonical() +
         "\n";
}

}  // namespace

int compare_main(int argc, char** argv) {
  if (argc != 2) return 2;
  const auto answer = compare(argv[1]);
  const std::string text = answer ? *answer : answer.error().message + "\n";
  [[maybe_unused]] const auto told = ::write(answer ? 1 : 2, text.data(), text.size());
  return answer ? 0 : 1;
}

}  // namespace coffer::cell::kit
