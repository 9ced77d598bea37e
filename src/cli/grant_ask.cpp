// coffer grant ask: a request made from a quote; the owner sees it in `inbox`.
#include <set>

#include "cli/grant.h"
#include "cli/problem.h"
#include "cli/runobject.h"
#include "cli/version.h"

namespace coffer::cli {
namespace {

constexpr std::uint64_t kRunsDefault = 20;

Result<Digest> environment_digest(Session& session, const program::EnvironmentName& name) {
  if (name.digest) return *name.digest;
  COFFER_TRY(Server * server, session.server());
  COFFER_TRY(const Json document, server->get(target({"v1", "environments", name.name})));
  if (!document["digest"].is_string()) {
    return refused("environment_not_ready", name.name + " is not built yet",
                   "coffer env show " + name.name);
  }
  return Digest::parse(document.text_or("digest", ""));
}

Result<> require_input(const Program& program, const program::DatasetName& name) {
  for (const auto& input : program.manifest.inputs) {
    if (input.dataset.plain() == name.plain()) return {};
  }
  return refused("grant_dataset", program.manifest.name + " does not read " + name.plain(),
                 "coffer quote " + program.directory.string());
}

}  // namespace

Result<int> grant_ask(Session& session, const GrantAskOptions& options) {
  COFFER_TRY(const auto name, dataset_argument(options.dataset));
  COFFER_TRY(const Program program, read_program(options.program));
  COFFER_CHECK(require_input(program, name));
  const program::Quote quote =
      program::quote_of(program.manifest.resources, program.manifest.outputs);
  std::uint64_t runs = kRunsDefault;
  if (!options.runs.empty()) {
    const auto count = parse_count(options.runs);
    if (!count || *count == 0) return usage_error("--runs: write a number such as 20");
    runs = *count;
  }
  std::uint64_t bits = runs * quote.cost.bits;
  if (!options.bits.empty()) {
    const auto count = parse_count(options.bits);
    if (!count) return usage_error("--bits: " + count.error().message);
    bits = *count;
  }
  std::uint64_t cpu_ms = runs * quote.cost.cpu_ms;
  if (!options.cpu_hours.empty()) {
    COFFER_TRY(cpu_ms, parse_cpu_hours(options.cpu_hours));
  }
  std::set<std::string> lanes, kinds;
  for (const auto& output : program.manifest.outputs) {
    lanes.emplace(program::text_of_lane(output.lane));
    kinds.emplace(program::text_of_kind(output.kind()));
  }
  COFFER_TRY(const Digest environment, environment_digest(session, program.manifest.environment));
  COFFER_TRY(Server * server, session.server());
  const Json body =
      Json::object({{"dataset", name.text()},
                    {"purpose", options.purpose},
                    {"program", program.tree.digest.text()},
                    {"program_name", program.manifest.name},
                    {"environment", environment.text()},
                    {"lanes", std::vector<std::string>(lanes.begin(), lanes.end())},
                    {"output_kinds", std::vector<std::string>(kinds.begin(), kinds.end())},
                    {"parameters", program::signed_params(program.manifest.params)},
                    {"bits", bits},
                    {"epsilon_milli", quote.cost.epsilon_milli},
                    {"runs", runs},
                    {"cpu_ms", cpu_ms},
                    {"run_bits", quote.cost.bits}});
  COFFER_TRY(const Json answer, server->post("/v1/requests", body));
  const std::string id = answer.text_or("id", "");
  session.remember("request", id);
  session.print(answer, [&] {
    return "asked for " + counted(runs, "run") + " of " + program.manifest.name + " on " +
           name.text() + ", " + counted(bits, "bit") + " in all (" + quote_sentence(quote) + ")\n" +
           id + " waits in the owner's inbox\n";
  });
  return kExitDone;
}

}  // namespace coffer::cli
