// Everything that people sign, and the envelope it comes in.
#include "fuzz/fuzz.h"
#include "grant/envelope.h"
#include "grant/objects.h"

using namespace coffer;

namespace {

template <class T>
void one(std::string_view input) {
  const auto object = grant::parse<T>(input);
  if (object) fuzz::must(grant::payload_of(*object) == input, "a signed object has one form");
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto [which, input] = fuzz::choose(fuzz::text_in(data, size), 10);
  switch (which) {
    case 0:
      one<grant::UserKey>(input);
      break;
    case 1:
      one<grant::Removal>(input);
      break;
    case 2:
      one<grant::Manifest>(input);
      break;
    case 3:
      one<grant::Card>(input);
      break;
    case 4:
      one<grant::Limit>(input);
      break;
    case 5:
      one<grant::Grant>(input);
      break;
    case 6:
      one<grant::Revocation>(input);
      break;
    case 7:
      one<grant::Run>(input);
      break;
    case 8:
      one<grant::Approval>(input);
      break;
    default:
      (void)grant::parse_envelope(input).has_value();
  }
  return 0;
}
