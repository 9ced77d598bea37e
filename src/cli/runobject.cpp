#include "cli/runobject.h"

#include <algorithm>

#include "base/file_path.h"
#include "cli/files.h"
#include "cli/local.h"
#include "cli/problem.h"
#include "cli/tarball.h"

namespace coffer::cli {
namespace {

struct GrantFacts {
  std::string id;
  Digest digest;
  std::string dataset_id;
  std::optional<Digest> manifest;
  program::DatasetName dataset;
  std::size_t used{0};
};

Result<GrantFacts> grant_facts(Session& session, const std::string& id) {
  COFFER_TRY(Server * server, session.server());
  COFFER_TRY(const Json document, server->get(target({"v1", "grants", id})));
  COFFER_TRY(const grant::Envelope envelope, envelope_of(document["envelope"]));
  COFFER_TRY(const grant::Grant signed_grant, grant::open<grant::Grant>(envelope));
  GrantFacts facts{.id = grant::grant_id(envelope.digest()),
                   .digest = envelope.digest(),
                   .dataset_id = signed_grant.dataset_id,
                   .manifest = signed_grant.manifest,
                   .dataset = {}};
  if (facts.id != id || !grant::signed_by(envelope, signed_grant.owner_key)) {
    return refused("corrupt", "the server's " + id + " is not what its owner signed");
  }
  COFFER_TRY(facts.dataset, program::DatasetName::parse(document.text_or("dataset", "")));
  return facts;
}

Error no_grant(const std::string& dataset) {
  return refused("grant_missing", dataset + " is protected and none of the grants is for it",
                 "coffer grant ls, or coffer grant ask " + dataset + " --purpose T --program DIR");
}

Result<Resolved::Input> resolve_input(Session& session, const program::Input& input,
                                      std::vector<GrantFacts>& grants) {
  program::DatasetName name = input.dataset;
  GrantFacts* chosen = nullptr;
  for (auto& one : grants) {
    if (one.dataset.plain() == name.plain()) chosen = &one;
  }
  if (chosen != nullptr && !name.version) name.version = chosen->dataset.version;
  COFFER_TRY(Version version, fetch_version(session, name));
  Resolved::Input resolved{input.alias, std::move(version), {}};
  if (resolved.version.manifest.is_public) return resolved;
  if (chosen == nullptr) {
    if (grants.empty()) return resolved;
    return no_grant(name.plain());
  }
  if (chosen->dataset_id != resolved.version.manifest.dataset_id ||
      (chosen->manifest && *chosen->manifest != resolved.version.digest)) {
    return refused("grant_dataset", chosen->id + " is for " + chosen->dataset.text() +
                                        ", the input '" + input.alias + "' is " +
                                        resolved.version.name.text());
  }
  ++chosen->used;
  resolved.grant = chosen->id;
  return resolved;
}

}  // namespace

Result<Program> read_program(const std::string& directory) {
  auto manifest = program::read_manifest(directory);
  if (!manifest) {
    if (manifest.error().code != Code::NotFound) return std::move(manifest).error();
    return refused("no_program", "no coffer.toml in " + printable(directory, 200),
                   "coffer init --help");
  }
  COFFER_TRY(program::Tree tree, program::read_tree(std::filesystem::path(directory)));
  // What the server's unpacking takes: a digest has more names than that.
  for (const auto& file : tree.files) {
    if (const auto good = check_path(file.path); !good) {
      return refused("program_tree", good.error().message);
    }
  }
  return Program{directory, *std::move(manifest), std::move(tree)};
}

Result<program::Manifest> apply_settings(program::Manifest manifest, const RunSettings& settings) {
  for (const auto& param : settings.params) {
    auto with = program::with_param(std::move(manifest), param);
    if (!with) return usage_error("--param: " + with.error().message);
    manifest = *std::move(with);
  }
  if (settings.cpus > 0) manifest.resources.cpus = settings.cpus;
  if (!settings.memory.empty()) {
    const auto bytes = parse_size(settings.memory);
    if (!bytes) return usage_error("--memory: " + bytes.error().message);
    manifest.resources.memory_bytes = *bytes;
  }
  if (!settings.time.empty()) {
    const auto time = parse_duration(settings.time);
    if (!time) return usage_error("--time: " + time.error().message);
    manifest.resources.time_s = static_cast<std::uint64_t>(time->count());
  }
  if (const auto good = program::check_resources(manifest.resources); !good) {
    return usage_error(good.error().message);
  }
  return manifest;
}

Result<Resolved> resolve(Session& session, const program::Manifest& manifest,
                         const std::vector<std::string>& grants) {
  COFFER_TRY(Server * server, session.server());
  std::vector<GrantFacts> facts;
  for (const auto& text : grants) {
    COFFER_TRY(const std::string id, session.resolve(kGrantNoun, text));
    COFFER_TRY(GrantFacts one, grant_facts(session, id));
    facts.push_back(std::move(one));
  }
  Resolved resolved;
  if (manifest.environment.digest) {
    resolved.environment = *manifest.environment.digest;
  } else {
    COFFER_TRY(const Json document,
               server->get(target({"v1", "environments", manifest.environment.name})));
    if (!document["digest"].is_string()) {
      return refused("environment_not_ready", manifest.environment.name + " is not built yet",
                     "coffer env show " + manifest.environment.name);
    }
    COFFER_TRY(resolved.environment, Digest::parse(document.text_or("digest", "")));
  }
  for (const auto& input : manifest.inputs) {
    COFFER_TRY(Resolved::Input one, resolve_input(session, input, facts));
    resolved.inputs.push_back(std::move(one));
  }
  for (const auto& one : facts) {
    if (one.used == 0) {
      return refused("grant_dataset", one.id + " is for " + one.dataset.text() +
                                          ", which the program does not read");
    }
    resolved.grants.push_back(one.digest);
  }
  return resolved;
}

grant::Nonce fresh_nonce() {
  grant::Nonce nonce{};
  const ByteVector bytes = random_bytes(nonce.size());
  std::copy(bytes.begin(), bytes.end(), nonce.begin());
  return nonce;
}

grant::Run run_object(const Program& program, const program::Manifest& manifest,
                      const Resolved& resolved, const grant::Nonce& nonce) {
  grant::Run run;
  run.program = program.tree.digest;
  run.environment = resolved.environment;
  for (const auto& input : resolved.inputs)
    run.inputs.push_back({input.alias, input.version.digest});
  const Json parameters = program::signed_params(manifest.params);
  if (const auto* members = parameters.as_object()) {
    for (const auto& [name, value] : *members) run.parameters.emplace(name, value);
  }
  run.resources = manifest.resources;
  run.retry = manifest.retry;
  run.outputs = manifest.outputs;
  run.grants = resolved.grants;
  run.nonce = nonce;
  return run;
}

Result<> append_program_tar(const Program& program, const std::string& prefix, int fd) {
  TarWriter tar{fd};
  COFFER_TRY(
      const program::Tree again,
      program::read_tree(program.directory, [&](const program::TreeFile& file, ByteView content) {
        return tar.add(prefix + file.path, text_of(content),
                       file.executable ? FileMode::Executable : FileMode::Plain);
      }));
  if (again.digest != program.tree.digest) {
    return refused("program_tree", program.directory.string() + " changed while it was read",
                   "the same command again");
  }
  return {};
}

Result<> send_program(Session& session, const Program& program) {
  COFFER_TRY(Server * server, session.server());
  COFFER_TRY(const Places places, session.places());
  const std::string digest = program.tree.digest.text();
  const auto known = server->get(target({"v1", "programs", digest}));
  if (known) return {};
  if (known.error().code != Code::NotFound) return known.error();
  COFFER_TRY(const UniqueFd fd, scratch_file(places.data / "scratch"));
  COFFER_CHECK(append_program_tar(program, "", fd.get()));
  COFFER_CHECK(TarWriter{fd.get()}.finish());
  ProgressLine progress{session.terminal(), session.clock(), "sending the program"};
  COFFER_TRY(std::string upload, server->upload(fd.get(), shown_on(progress)));
  COFFER_TRY([[maybe_unused]] const Json stored,
             server->post("/v1/programs",
                          Json::object({{"upload", std::move(upload)}, {"digest", digest}})));
  return {};
}

}  // namespace coffer::cli
