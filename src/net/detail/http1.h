// The grammar of HTTP/1.1 without sockets: heads of requests and answers, chunked bodies, framing.
//
// A head is first refused for every form that two implementations could read in two ways (bare line
// ends, folded lines, blanks before a colon, two lengths, a length and chunks), and only then read.
// Invariants: whatever a head says of its body is in `framing`; nothing else decides.
// Errors: a Refusal for requests, Unavailable for answers.
// Thread-safety: as plain values.
// Source: RFC 9112 sections 2.2, 5.1, 6.1 to 6.3, 7.1; read by Boost.Beast.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/result.h"
#include "net/http.h"

namespace coffer::net::detail {

inline constexpr std::string_view kHeadEnd = "\r\n\r\n";

struct Refusal {
  int status;
  std::string_view code;
  std::string_view text;
};

enum class Framing : std::uint8_t { None, Length, Chunked, UntilClose };

struct RequestHead {
  Head head;
  Framing framing{Framing::None};
  std::uint64_t length{0};
  bool keep_alive{true};
  bool expects_continue{false};
};

struct AnswerHead {
  int status{};
  Headers headers;
  Framing framing{Framing::None};
  std::uint64_t length{0};
  bool keep_alive{true};
};

// `block` is a whole head, through the empty line that ends it.
std::variant<RequestHead, Refusal> parse_request_head(std::string_view block,
                                                      std::size_t fields_max);
// To a request with that method.
Result<AnswerHead> parse_answer_head(std::string_view block, std::string_view method);

// Takes a chunked body apart.
class ChunkReader {
 public:
  ChunkReader();
  ~ChunkReader();
  ChunkReader(ChunkReader&&) noexcept;
  ChunkReader& operator=(ChunkReader&&) noexcept;

  enum class State : std::uint8_t { More, Done, Bad };
  struct Step {
    State state;
    std::size_t consumed;  // of `in`; what is left must come again, with more behind it
  };
  // Appends what it decodes to `out`, at most 64 KiB a call.
  Step feed(std::string_view in, std::string& out);

 private:
  struct Inside;
  std::unique_ptr<Inside> inside_;
};

}  // namespace coffer::net::detail
