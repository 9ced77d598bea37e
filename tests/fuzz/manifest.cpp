// coffer.toml, and the declaration that a run signs.
#include "program/manifest.h"

#include "fuzz/fuzz.h"

using namespace coffer;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto [which, input] = fuzz::choose(fuzz::text_in(data, size), 2);
  if (which == 0) {
    const auto manifest = program::parse_manifest(input);
    if (!manifest) {
      fuzz::must(!manifest.error().message.empty(), "a refusal says why");
      return 0;
    }
    const Json declared = program::declaration_json(manifest->outputs);
    const auto again = program::parse_declaration(declared);
    fuzz::must(again && *again == manifest->outputs, "a declaration survives being signed");
  } else if (const auto json = Json::parse(input)) {
    const auto outputs = program::parse_declaration(*json);
    if (!outputs) return 0;
    fuzz::must(program::declaration_json(*outputs).canonical() == json->canonical(),
               "a signed declaration has one form");
  }
  return 0;
}
