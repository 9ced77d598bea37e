// What a program leaves in /out: metrics, tensors (safetensors), a table; and the bit string that
// stands for each.
#include <fcntl.h>

#include <array>

#include "fuzz/declared.h"
#include "gate/canonical.h"
#include "gate/judge.h"

using namespace coffer;

namespace {

constexpr const char* kTables = R"([[outputs]]
name = "metrics"
kind = "metrics"
lane = "bounded"
[outputs.fields]
accuracy = { min = 0, max = 1, digits = 3 }
rows = { min = 0, max = 100000, digits = 0 }
best = { values = ["linear", "tree"] }
[[outputs]]
name = "weights"
kind = "tensors"
lane = "bounded"
[outputs.tensors]
w = { dtype = "f32", shape = [3, 2] }
n = { dtype = "i32", shape = [4], min = -3, max = 9 }
ok = { dtype = "bool", shape = [2] }
[[outputs]]
name = "t"
kind = "table"
lane = "bounded"
rows_max = 5
columns = [
  { name = "group", values = ["a", "b"], key = true },
  { name = "mean", min = -5, max = 5, digits = 2 },
]
)";

const std::vector<program::Output>& outputs() {
  static const auto kOutputs = fuzz::declared(kTables);
  return kOutputs;
}

// A directory that holds one output file at a time.
class Out {
 public:
  Out() {
    (void)outputs();  // which must outlive this
    std::array<char, 32> pattern{"/tmp/coffer_fuzz_XXXXXX"};
    path_ = ::mkdtemp(pattern.data());
    fd_ = UniqueFd{::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  }
  ~Out() {
    for (const auto& output : outputs()) (void)::unlinkat(fd_.get(), output.file().c_str(), 0);
    (void)::rmdir(path_.c_str());
  }
  int fd() const { return fd_.get(); }
  void put(const program::Output& output, std::string_view bytes) const {
    for (const auto& other : outputs()) (void)::unlinkat(fd(), other.file().c_str(), 0);
    const UniqueFd file{
        ::openat(fd(), output.file().c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600)};
    fuzz::must(
        ::write(file.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()),
        "the output is there");
  }

 private:
  std::string path_;
  UniqueFd fd_;
};

gate::Finding judge_one(std::size_t which, std::string_view bytes) {
  static const Out kOut;
  kOut.put(outputs()[which], bytes);
  auto findings = gate::judge_all(kOut.fd(), outputs());
  fuzz::must(findings && findings->size() == outputs().size(), "every output has a finding");
  return std::move((*findings)[which]);
}

// An object that the codec takes is written in one form, and judged again it is the same object.
void check_object(std::size_t which, const gate::BitString& object) {
  const auto& output = outputs()[which];
  const auto canonical = gate::Canonical::decode(output, object);
  fuzz::must(canonical.has_value(), "an object has a canonical file");
  fuzz::must(object.length <= program::object_bits_max(output),
             "an object is never above its bound");
  const auto text = canonical->text();
  fuzz::must(text.has_value() && text->size() == canonical->size(), "a file has the size it says");
  fuzz::must(judge_one(which, *text).object == object, "the canonical file is the same object");
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto [which, input] = fuzz::choose(fuzz::text_in(data, size), 6);
  if (which < 3) {
    const gate::Finding finding = judge_one(which, input);
    if (!finding.refusal) check_object(which, finding.object);
    return 0;
  }
  const auto& output = outputs()[which - 3];
  const ByteView bytes = bytes_of(input);
  gate::BitString object{{bytes.begin(), bytes.end()}, bytes.size() * 8};
  // Lengths that end within a byte too: the last bits of the string tell.
  if (!bytes.empty()) object.length -= std::to_integer<std::uint64_t>(bytes.back()) & 7U;
  if (gate::check_object(output, object)) check_object(which - 3, object);
  return 0;
}
