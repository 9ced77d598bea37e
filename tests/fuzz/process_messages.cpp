// What the four processes and the cells tell each other.
#include "cell/detail/walls.h"
#include "cell/kit/failure.h"
#include "env/messages.h"
#include "fuzz/fuzz.h"
#include "keeper/messages.h"
#include "worker/messages.h"

using namespace coffer;

namespace {

template <class Decoded>
void one_form(const Decoded& decoded, ByteView input) {
  if (!decoded) return;
  const ByteVector again = encode(*decoded);
  fuzz::must(again == ByteVector(input.begin(), input.end()), "a message has one form");
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto [which, input] = fuzz::choose(fuzz::text_in(data, size), 8);
  const ByteView bytes = bytes_of(input);
  switch (which) {
    case 0:
      one_form(keeper::decode_request(bytes), bytes);
      break;
    case 1:
      one_form(keeper::decode_reply(bytes), bytes);
      break;
    case 2:
      one_form(worker::decode_request(bytes), bytes);
      break;
    case 3:
      one_form(worker::decode_event(bytes), bytes);
      break;
    case 4:
      (void)env::decode_request(bytes).has_value();
      break;
    case 5:
      (void)env::decode_event(bytes).has_value();
      break;
    case 6:
      (void)cell::detail::SelfTest::decode(bytes).has_value();
      (void)cell::detail::EndReport::decode(bytes).has_value();
      break;
    default:
      if (const auto failure = cell::kit::failure_in(input)) {
        fuzz::must(failure->class_name.size() <= cell::detail::EndReport::kClassMax,
                   "a failure's class is never above its bound");
      }
  }
  return 0;
}
