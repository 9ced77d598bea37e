#include "worker/judge.h"

#include "judging/judging.h"
#include "os/files.h"

namespace coffer::worker {
namespace {

namespace fs = std::filesystem;

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
  const judging::Cells cells{judging.place.launcher, judging.stage, judging.place.ids};
  COFFER_TRY(auto judged, judging::judge(cells, judging.out_path, judging.outputs,
                                         judging.run.resources.output_bytes));
  const fs::path canonical = judging.stage.root() / "canonical";  // in memory
  COFFER_CHECK(judging::write_canonical(canonical, judged));
  COFFER_TRY(const auto evidence,
             judging::examine(cells, {.inputs = judging.stage.inputs(),
                                      .canonical = canonical,
                                      .origin = cell::BindOrigin::Private,
                                      .outputs = judging.outputs,
                                      .protected_inputs = judging.protected_inputs}));
  const fs::path folder = judging.place.data / "runs" / hex(judging.run_digest.bytes);
  judging.room.give_back();
  COFFER_CHECK(make_directories(folder / "evidence", 0755));
  std::vector<keeper::ReportedOutput> out;
  for (std::size_t i = 0; i < judged.size(); ++i) {
    keeper::ReportedOutput refused;
    refused.name = judging.outputs[i].name;
    refused.refusal = judged[i].refusal;
    if (judged[i].canonical) {
      auto release =
          judging.protected_inputs.empty()
              ? Result<gate::Release>{gate::Release::of_public_run(*std::move(judged[i].canonical))}
              : gate::Release::admit(*std::move(judged[i].canonical), evidence[i]);
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
