#include "worker/program_terms.h"

#include "base/log.h"
#include "program/manifest.h"
#include "program/tree.h"

namespace coffer::worker {
namespace {

Error no_environment(std::string message) {
  return Error{Code::FailedPrecondition, std::move(message)}.as("environment");
}

Json signed_terms(const grant::Run& run, const std::vector<program::Output>& outputs) {
  Json aliases = Json::array();
  for (const auto& input : run.inputs) aliases.push(input.alias);
  Json parameters = Json::object({});
  for (const auto& [name, value] : run.parameters) parameters.set(name, value);
  return Json::object({{"aliases", std::move(aliases)},
                       {"parameters", std::move(parameters)},
                       {"resources", Json::object({{"cpus", run.resources.cpus},
                                                   {"memory_bytes", run.resources.memory_bytes},
                                                   {"time_s", run.resources.time_s},
                                                   {"output_bytes", run.resources.output_bytes},
                                                   {"gpus", run.resources.gpus}})},
                       {"retry", run.retry},
                       {"outputs", program::declaration_json(outputs)}});
}

}  // namespace

Result<ProgramTerms> check_program(const Workplace& place, cell::Stage& stage,
                                   const grant::Run& run,
                                   const std::vector<program::Output>& outputs) {
  const auto directory = place.data / "programs" / hex(run.program.bytes);
  const auto tree = program::read_tree(directory);
  if (!tree || tree->digest != run.program) {
    return no_environment("the program is not here as signed: " + run.program.text());
  }
  const std::string asked = signed_terms(run, outputs).canonical();
  const ByteView input = bytes_of(asked);
  cell::Launcher::Question question{.kit = cell::Kit::Compare,
                                    .args = {"/program"},
                                    .binds = {{.source = directory, .target = "/program"}},
                                    .input = {input.begin(), input.end()},
                                    .ids = place.ids};
  auto answer = place.launcher.ask(stage, std::move(question));
  if (!answer) {
    if (answer.error().code != Code::InvalidArgument) return std::move(answer).error();
    log_error("worker", "terms differ", answer.error());
    return no_environment("coffer.toml says something else than the signed run");
  }
  COFFER_TRY(const Json terms, Json::parse(answer->text));
  ProgramTerms out{
      .name = terms.text_or("name", ""), .entry = {}, .params_json = terms.text_or("params", "{}")};
  if (const auto* words = terms["entry"].as_array()) {
    for (const auto& word : *words) {
      if (const auto* text = word.as_string()) out.entry.push_back(*text);
    }
  }
  return out;
}

std::uint32_t seed_of(const grant::Nonce& nonce) {
  const Digest digest = sha256(nonce);
  std::uint32_t seed = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    seed = seed << 8 | std::to_integer<std::uint32_t>(digest.bytes[i]);
  }
  return seed;
}

}  // namespace coffer::worker
