#include "gate/release.h"

namespace coffer::gate {
namespace {

// The scales of quantised tensors, which the file itself cannot hold: {"coef": "0.25"}.
Json scales_of(const program::Output& output) {
  Json scales{Json::Object{}};
  const auto* tensors = std::get_if<program::Tensors>(&output.body);
  if (tensors == nullptr) return scales;
  for (const program::Tensor& tensor : tensors->tensors) {
    if (tensor.scale) scales.set(tensor.name, tensor.scale->text());
  }
  return scales;
}

}  // namespace

Result<Release> Release::admit(Canonical canonical, const Evidence& evidence) {
  if (!evidence.examined) {
    return Error{Code::Denied, canonical.output().name + ": was not examined"};
  }
  if (evidence.private_copy()) {
    return Error{Code::Denied, canonical.output().name + ": private_copy"};
  }
  return Release{std::move(canonical)};
}

std::string release_json(const Release& release, const Origin& origin) {
  const Canonical& canonical = release.canonical();
  return release_json(
      {.output = canonical.output(),
       .bits = origin.grants.empty() ? 0 : canonical.bits(),  // public data costs nothing
       .bytes = canonical.size(),
       .digest = canonical.digest()},
      origin);
}

std::string release_json(const ReleaseFacts& facts, const Origin& origin) {
  const program::Output& output = facts.output;
  Json inputs{Json::Array{}};
  for (const auto& [alias, dataset, manifest] : origin.inputs) {
    inputs.push(
        Json::object({{"alias", alias}, {"dataset", dataset}, {"digest", manifest.text()}}));
  }
  Json grants{Json::Array{}};
  for (const Digest& grant : origin.grants) grants.push(grant.text());
  const Json document = Json::object({
      {"v", 1},
      {"run", origin.run.text()},
      {"run_id", origin.run.id("run_")},
      {"output", output.name},
      {"kind", program::text_of_kind(output.kind())},
      {"lane", program::text_of_lane(output.lane)},
      {"bits", facts.bits},
      {"file",
       Json::object(
           {{"name", output.file()}, {"bytes", facts.bytes}, {"digest", facts.digest.text()}})},
      {"scales", scales_of(output)},
      {"program", Json::object({{"name", origin.program_name}, {"digest", origin.program.text()}})},
      {"environment", origin.environment.text()},
      {"inputs", std::move(inputs)},
      {"grants", std::move(grants)},
  });
  return document.canonical() + "\n";
}

}  // namespace coffer::gate
