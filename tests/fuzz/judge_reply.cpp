// What the judge's cell answers on its pipe.
#include "fuzz/declared.h"
#include "gate/evidence.h"
#include "gate/reply.h"

using namespace coffer;

namespace {

constexpr const char* kTables = R"([[outputs]]
name = "a"
kind = "metrics"
lane = "bounded"
[outputs.fields]
accuracy = { min = 0, max = 1, digits = 3 }
[[outputs]]
name = "b"
kind = "tensors"
lane = "bounded"
[outputs.tensors]
w = { dtype = "f32", shape = [2] }
)";

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto kOutputs = fuzz::declared(kTables);
  const UniqueFd pipe = fuzz::file_of(fuzz::text_in(data, size));
  const auto findings = gate::read_reply(pipe.get(), kOutputs);
  fuzz::must(findings && findings->size() == kOutputs.size(), "every output gets a finding");
  for (std::size_t i = 0; i < kOutputs.size(); ++i) {
    const auto& finding = (*findings)[i];
    fuzz::must(finding.refusal || gate::check_object(kOutputs[i], finding.object),
               "an object that is believed is one");
  }
  (void)gate::parse_evidence(bytes_of(fuzz::text_in(data, size))).has_value();
  return 0;
}
