// A blocking HTTP/1.1 client for the command line: one server, one connection kept alive.
//
// Invariants: a certificate is verified against the system's authorities and the extra file, and
// against the host's name; there is no way to switch that off. A request is sent a second time only
// when its connection was lost before a byte of the answer came and it is safe to repeat (GET,
// HEAD, or marked `repeatable`). Redirects are not followed.
// Errors: Unavailable (cannot connect, certificate refused, connection lost, answer is no HTTP;
// with rule "silent": connected, and then no answer), Cancelled (the deadline passed, or a Progress
// said stop), InvalidArgument (the URL, a target or header that cannot be sent), FailedPrecondition
// (a file cannot be read or written). An answer of any status is no error. Thread-safety: one
// thread at a time. Source: RFC 9110, RFC 9112; WHATWG HTML section 9.2 (server-sent events).
//
//   COFFER_TRY(Client client, Client::open({.url = "https://coffer.example"}));
//   COFFER_TRY(Answer answer, client.send({.method = "GET", .target = "/v1/whoami"}));
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/clock.h"
#include "base/result.h"
#include "net/http.h"

namespace coffer::net {

struct ClientOptions {
  std::string url;        // "http://127.0.0.1:7070"; a path in it is put before every target
  Headers headers{};      // sent with every request, such as Authorization
  std::string ca_file{};  // more authorities, PEM; empty: the system's only
  Duration connect_time{10s};
  Duration stall_time{60s};  // without any byte from or to the server
};

// Said during a transfer; answer false to stop it. `total` is 0 where nobody knows it.
struct Moved {
  std::uint64_t done;
  std::uint64_t total;
};
using Progress = std::function<bool(Moved)>;
// Takes a piece of the answer's body; answer false to end the call there, without an error.
using Piece = std::function<bool(std::string_view piece)>;

// Part of a file as the body of a request. The descriptor stays the caller's.
struct Upload {
  int fd{-1};
  std::uint64_t offset{0};
  std::uint64_t length{0};
  Progress progress{};
};

struct Call {
  std::string method{"GET"};
  std::string target;  // "/v1/runs?limit=20", percent-encoded
  Headers headers{};
  std::variant<std::string, Upload> body{};
  std::optional<Duration> deadline{};  // for the whole call; without it only stalls end a call
  bool repeatable{false};              // has an Idempotency-Key or a fixed offset
};

struct Answer {
  int status{};
  Headers headers;
  std::string body;  // empty when it went elsewhere
};

inline constexpr std::size_t kAnswerBytesMax = 64 << 20;  // of an answer held in memory

namespace detail {
class ClientCore;
}

class Client {
 public:
  static Result<Client> open(ClientOptions options);
  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;
  ~Client();

  Result<Answer> send(const Call& call);
  // The body of a 2xx answer goes to `fd` from its present position; any other into Answer::body.
  Result<Answer> download(const Call& call, int fd, const Progress& progress = {});
  // The body of a 2xx answer is given to `piece` as it arrives: for event streams.
  Result<Answer> stream(const Call& call, const Piece& piece);

 private:
  explicit Client(std::unique_ptr<detail::ClientCore> core);
  std::unique_ptr<detail::ClientCore> core_;
};

}  // namespace coffer::net
