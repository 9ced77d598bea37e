// HTTP/1.1 heads, chunked bodies, targets, and JSON bodies.
#include "base/json.h"
#include "fuzz/fuzz.h"
#include "net/detail/http1.h"

using namespace coffer;

namespace {

void head(std::string_view input) {
  const auto parsed = net::detail::parse_request_head(input, 100);
  if (const auto* refused = std::get_if<net::detail::Refusal>(&parsed)) {
    fuzz::must(refused->status >= 400 && refused->status < 600, "a refusal is an error status");
    return;
  }
  const auto& read = std::get<net::detail::RequestHead>(parsed);
  fuzz::must(read.head.target.path.starts_with('/'), "a path starts with a slash");
  for (const auto& segment : read.head.target.segments) {
    fuzz::must(!segment.empty() && segment != "." && segment != "..", "segments name resources");
  }
  for (const auto& [name, value] : read.head.headers.all()) {
    fuzz::must(value.find_first_of("\r\n") == std::string::npos, "a value holds no line end");
  }
}

// The same bytes in one piece and byte by byte mean the same.
void chunks(std::string_view input) {
  std::string whole, single;
  net::detail::ChunkReader at_once;
  std::string_view left = input;
  auto step = at_once.feed(left, whole);
  while (step.state == net::detail::ChunkReader::State::More && step.consumed > 0) {
    left.remove_prefix(step.consumed);
    step = at_once.feed(left, whole);
  }
  net::detail::ChunkReader bytewise;
  std::string pending;
  auto last = net::detail::ChunkReader::State::More;
  for (const char byte : input) {
    if (last != net::detail::ChunkReader::State::More) break;
    pending += byte;
    auto one = bytewise.feed(pending, single);
    pending.erase(0, one.consumed);
    last = one.state;
  }
  if (step.state == net::detail::ChunkReader::State::Done) {
    fuzz::must(last == net::detail::ChunkReader::State::Done && single == whole,
               "pieces of a body do not matter");
  }
}

void json(std::string_view input) {
  const auto parsed = Json::parse(input);
  if (!parsed) return;
  const std::string canonical = parsed->canonical();
  const auto again = Json::parse(canonical);
  fuzz::must(again && again->canonical() == canonical, "canonical JSON has one form");
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto [which, input] = fuzz::choose(fuzz::text_in(data, size), 5);
  switch (which) {
    case 0:
      head(input);
      break;
    case 1:
      chunks(input);
      break;
    case 2:
      (void)net::Target::parse(input).has_value();
      break;
    case 3:
      (void)net::detail::parse_answer_head(input, "GET").has_value();
      break;
    default:
      json(input);
  }
  return 0;
}
