#include "worker/judge.h"

#include <fcntl.h>
#include <fmt/format.h>

#include "gate/judge.h"
#include "gate/reply.h"
#include "os/files.h"

namespace coffer::worker {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kJudgeSlack = 128ULL << 20;

// What the judge cell finds: a refusal or a bit string for each output.
Result<std::vector<gate::Finding>> find(Judging& judging) {
  const std::string declaration = program::declaration_json(judging.outputs).canonical();
  const ByteView input = bytes_of(declaration);
  cell::Launcher::Question question{.kit = cell::Kit::Judge,
                                    .args = {"/out"},
                                    .binds = {{.source = judging.out_path,
                                               .target = "/out",
                                               .origin = cell::BindOrigin::Private}},
                                    .input = {input.begin(), input.end()},
                                    .answer_max = gate::reply_bytes_max(judging.outputs)};
  question.resources.memory_bytes =
      gate::judge_memory(judging.outputs, judging.run.resources.output_bytes) + kJudgeSlack;
  question.resources.time = std::chrono::seconds{
      program::judging_allowance_s(judging.run.resources.output_bytes) * 10 + 60};
  question.ids = judging.place.ids;
  COFFER_TRY(const auto answer, judging.place.launcher.ask(judging.stage, std::move(question)));
  COFFER_TRY(const UniqueFd reply, sealed_memory_file("reply", bytes_of(answer.text)));
  return gate::read_reply(reply.get(), judging.outputs);
}

struct Decoded {
  std::optional<gate::Canonical> canonical;
  std::optional<program::Refusal> refusal;
};

Result<std::vector<Decoded>> decode(const Judging& judging, std::vector<gate::Finding> findings) {
  std::vector<Decoded> out;
  for (std::size_t i = 0; i < findings.size(); ++i) {
    Decoded decoded{.canonical = {}, .refusal = findings[i].refusal};
    if (!decoded.refusal) {
      auto canonical = gate::Canonical::decode(judging.outputs[i], std::move(findings[i].object));
      if (canonical) {
        decoded.canonical.emplace(*std::move(canonical));
      } else {
        decoded.refusal = program::Refusal::Malformed;
      }
    }
    out.push_back(std::move(decoded));
  }
  return out;
}

// The canonical files, in the stage's memory, for the evidence cell and for sealing.
Result<> write_canonical(const fs::path& folder, const std::vector<Decoded>& decoded) {
  COFFER_CHECK(make_directories(folder, 0755));
  for (const auto& one : decoded) {
    if (!one.canonical) continue;
    const auto path = folder / one.canonical->file_name();
    const UniqueFd fd{::open(path.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644)};
    if (!fd) return system_error("make a canonical file", errno);
    COFFER_CHECK(one.canonical->write_to(fd.get()));
  }
  return {};
}

// Empty evidence, not examined, where nothing private was read.
Result<std::vector<gate::Evidence>> examine(Judging& judging, const fs::path& canonical) {
  std::vector<gate::Evidence> out(judging.outputs.size());
  if (judging.protected_inputs.empty()) return out;
  Json inputs = Json::object({});
  for (const auto& input : judging.protected_inputs) inputs.set(input.alias, input.card);
  const std::string request =
      Json::object({{"outputs", program::declaration_json(judging.outputs)}, {"inputs", inputs}})
          .canonical();
  const ByteView bytes = bytes_of(request);
  cell::Launcher::Question question{
      .kit = cell::Kit::Evidence,
      .args = {"/inputs", "/canonical"},
      .binds = {{.source = judging.stage.inputs(),
                 .target = "/inputs",
                 .origin = cell::BindOrigin::Private},
                {.source = canonical, .target = "/canonical", .origin = cell::BindOrigin::Private}},
      .input = {bytes.begin(), bytes.end()},
      .answer_max = gate::kEvidenceBytes * judging.outputs.size()};
  question.resources.memory_bytes = gate::evidence_memory(judging.outputs) + kJudgeSlack;
  question.resources.time = std::chrono::hours{1};
  question.ids = judging.place.ids;
  COFFER_TRY(const auto answer, judging.place.launcher.ask(judging.stage, std::move(question)));
  const ByteView text = bytes_of(answer.text);
  if (text.size() != gate::kEvidenceBytes * out.size()) {
    return Error{Code::Corrupt, "the evidence cell answered something else"};
  }
  for (std::size_t i = 0; i < out.size(); ++i) {
    COFFER_TRY(out[i],
               gate::parse_evidence(text.subspan(i * gate::kEvidenceBytes, gate::kEvidenceBytes)));
  }
  return out;
}

std::string associated(const Digest& run, const std::string& name) {
  return "coffer-output-v1\n" + run.text() + "\n" + name;
}

struct Sealed {
  ByteVector key;  // sealed to the keeper
  Digest file;     // of the sealed bytes
};

// salt || u64 length || content || zeros up to `size`, under a fresh key; the file is on the disk.
struct Sealing {
  fs::path path;
  std::string name;
  ByteView salt;
  ByteView content;
  std::uint64_t size;
};

Result<Sealed> seal(const Judging& judging, const Sealing& sealing) {
  const Key key = random_key();
  WireWriter plain;
  plain.raw(sealing.salt).u64(sealing.content.size()).raw(sealing.content);
  ByteVector padded = std::move(plain).take();
  if (padded.size() > sealing.size) return Error{Code::Internal, "an output above its sealed size"};
  padded.resize(sealing.size);
  const std::string bound = associated(judging.run_digest, sealing.name);
  const ByteVector sealed = aead_seal(key, padded, bytes_of(bound));
  COFFER_CHECK(write_file(sealing.path, sealed, 0644));
  COFFER_TRY(auto sealed_key, seal_to(judging.place.keeper_key, key.expose()));
  return Sealed{std::move(sealed_key), sha256(sealed)};
}

gate::Origin origin_of(const Judging& judging) {
  gate::Origin origin{.run = judging.run_digest,
                      .program_name = judging.program_name,
                      .program = judging.run.program,
                      .environment = judging.run.environment,
                      .inputs = {},
                      .grants = judging.run.grants};
  for (const auto& source : judging.sources) {
    origin.inputs.push_back({source.alias, source.dataset, source.manifest});
  }
  return origin;
}

Result<keeper::ReportedOutput> seal_output(const Judging& judging, const gate::Release& release,
                                           const gate::Evidence& evidence,
                                           const fs::path& canonical) {
  const auto& form = release.canonical();
  const std::string& name = form.output().name;
  COFFER_TRY(const ByteVector content,
             read_file(canonical / form.file_name(), gate::canonical_size_max(form.output())));
  const fs::path folder = judging.place.data / "runs" / hex(judging.run_digest.bytes);
  const ByteVector salt = random_bytes(32);
  COFFER_TRY(const Sealed output, seal(judging, {.path = folder / (name + ".sealed"),
                                                 .name = name,
                                                 .salt = salt,
                                                 .content = content,
                                                 .size = gate::sealed_size(form.output())}));
  const std::string facts = Json::object({{"evidence", gate::evidence_json(evidence)},
                                          {"bits", form.bits()},
                                          {"bytes", form.size()}})
                                .canonical();
  COFFER_TRY(const Sealed proof, seal(judging, {.path = folder / "evidence" / (name + ".sealed"),
                                                .name = name,
                                                .salt = random_bytes(32),
                                                .content = bytes_of(facts),
                                                .size = 4096}));
  return keeper::ReportedOutput{
      .name = name,
      .refusal = {},
      .bits = form.bits(),
      .commitment = Sha256{}.update(salt).update(form.digest().bytes).finish(),
      .content = form.digest(),
      .sealed_output_key = output.key,
      .sealed_evidence_key = proof.key,
      .evidence = proof.file,
      .content_bytes = form.size(),
      .release = gate::release_digest(gate::release_json(release, origin_of(judging)))};
}

}  // namespace

Result<std::vector<keeper::ReportedOutput>> judge_and_seal(Judging judging) {
  COFFER_TRY(auto findings, find(judging));
  COFFER_TRY(auto decoded, decode(judging, std::move(findings)));
  const fs::path canonical = judging.stage.root() / "canonical";
  COFFER_CHECK(write_canonical(canonical, decoded));
  COFFER_TRY(const auto evidence, examine(judging, canonical));
  const fs::path folder = judging.place.data / "runs" / hex(judging.run_digest.bytes);
  judging.room.give_back();
  COFFER_CHECK(make_directories(folder / "evidence", 0755));
  std::vector<keeper::ReportedOutput> out;
  for (std::size_t i = 0; i < decoded.size(); ++i) {
    keeper::ReportedOutput refused;
    refused.name = judging.outputs[i].name;
    refused.refusal = decoded[i].refusal;
    if (decoded[i].canonical) {
      auto release = judging.protected_inputs.empty()
                         ? Result<gate::Release>{gate::Release::of_public_run(
                               *std::move(decoded[i].canonical))}
                         : gate::Release::admit(*std::move(decoded[i].canonical), evidence[i]);
      if (release) {
        COFFER_TRY(auto reported, seal_output(judging, *release, evidence[i], canonical));
        out.push_back(std::move(reported));
        continue;
      }
      refused.refusal = program::Refusal::PrivateCopy;
    }
    out.push_back(std::move(refused));
  }
  return out;
}

}  // namespace coffer::worker
