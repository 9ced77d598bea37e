// An HTTP/1.1 server on one Loop, with limits on everything that a stranger can spend.
//
// The life of a request: its head arrives; Handler::admit says where the body goes or refuses;
// the body arrives; Handler::serve gets the request and a Reply, and answers now or later.
// Invariants: each request that was admitted ends in exactly one of serve() and on_cut; a Reply
// is answered exactly once (a dropped one answers 500). Requests of one connection are served one
// after the other. A message whose length could be read in two ways is refused and its connection
// closed. A body sent to a file is written with pwrite() from the given offset, in order.
// Units: bytes, durations.
// Errors: open: InvalidArgument (address, certificate), AlreadyExists (the port is taken),
// Unavailable (the system refuses). Strangers get 400, 408, 413, 431, 501, 503 or 505 in text/plain
// unless Handler::problem says otherwise.
// Thread-safety: everything on the loop's thread. Lifetime: Loop and Handler outlive the Server; a
// Reply or EventStream may outlive it and then does nothing.
// Source: RFC 9110, RFC 9112; WHATWG HTML section 9.2 (server-sent events).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "base/clock.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "net/events.h"
#include "net/http.h"
#include "net/loop.h"

namespace coffer::net {

namespace detail {
class Connection;
class ServerCore;
}  // namespace detail

struct Limits {
  std::size_t head_bytes{16 << 10};  // request line and all header fields
  std::size_t head_fields{100};
  std::size_t body_memory_max{16 << 20};  // no admit() can ask for more in memory
  std::size_t connections{512};
  std::size_t connections_per_address{128};
  std::size_t events_pending_bytes{256 << 10};  // an EventStream that falls behind further is cut
  Duration head_time{10s};       // from the first byte (or the connection) to the end of the head
  Duration idle_time{60s};       // between requests
  Duration stall_time{30s};      // grace for a body or an answer, beyond what rate_min allows
  std::uint64_t rate_min{4096};  // bytes a second, averaged over one body
  Duration event_beat{15s};      // between comments on a silent EventStream
};

struct TlsFiles {
  std::string certificate;  // PEM, the chain with the leaf first
  std::string key;          // PEM
};

struct IntoMemory {
  std::size_t bytes_max{1 << 20};
};

struct IntoFile {
  UniqueFd fd;
  std::uint64_t offset{0};
  std::uint64_t bytes_max{0};
  // Called instead of serve() when the body does not arrive whole; `bytes` of it are in the file.
  std::function<void(std::uint64_t bytes)> on_cut{};
};

using Intake = std::variant<IntoMemory, IntoFile, Response>;

// A response that stays open. Copies are the same stream.
class EventStream {
 public:
  void push(const Event& event);  // does nothing once the stream is closed
  void close();
  bool is_open() const;
  // Called once, when the client is gone, was too slow, or the server drains. Not after close().
  void on_close(Task task);

 private:
  friend class Reply;
  explicit EventStream(std::weak_ptr<detail::Connection> connection, std::uint64_t request)
      : connection_(std::move(connection)), request_(request) {}
  std::weak_ptr<detail::Connection> connection_;
  std::uint64_t request_;
};

// The right to answer one request, once.
class Reply {
 public:
  Reply(Reply&& other) noexcept
      : connection_(std::exchange(other.connection_, {})), request_(other.request_) {}
  Reply& operator=(Reply&& other) noexcept;
  ~Reply();
  void send(Response response) &&;
  EventStream stream(Headers headers = {}) &&;  // 200 text/event-stream
  bool client_gone() const;

 private:
  friend class detail::Connection;
  explicit Reply(std::weak_ptr<detail::Connection> connection, std::uint64_t request)
      : connection_(std::move(connection)), request_(request) {}
  std::weak_ptr<detail::Connection> connection_;
  std::uint64_t request_;
};

class Handler {
 public:
  virtual ~Handler() = default;
  // Decides on the head alone. A Response refuses: it is sent, and the body is not read. Of a
  // request without a body serve() follows at once, before any other call.
  virtual Intake admit(const Head& head) = 0;
  virtual void serve(Request request, Reply reply) = 0;
  // The answer to a request that was refused before admit(), or whose body was: api/ renders
  // problem+json. `code` is a stable word such as head_too_large.
  virtual Response problem(int status, std::string_view code, std::string_view text);
};

struct ServerOptions {
  Limits limits{};
  std::optional<TlsFiles> tls{};
};

// A listening socket for "127.0.0.1:7070", "[::1]:0" or "localhost:7070".
Result<UniqueFd> listen_on(std::string_view address);

class Server {
 public:
  // Takes over a listening stream socket.
  static Result<Server> open(Loop& loop, UniqueFd listener, Handler& handler,
                             ServerOptions options = {});
  Server(Server&&) noexcept;
  Server& operator=(Server&&) noexcept;
  ~Server();  // closes every connection at once

  std::uint16_t port() const;
  std::size_t connections() const;
  // Stops to accept, closes what is idle and every EventStream, lets requests under way finish,
  // and calls `done` when all are gone or `patience` has passed.
  void drain(Duration patience, Task done);
  // As drain(), but whoever connects meanwhile waits in the system's queue until resume(), and is
  // served then. Neither does anything after drain().
  void pause(Duration patience, Task done);
  void resume();

 private:
  explicit Server(std::unique_ptr<detail::ServerCore> core);
  std::unique_ptr<detail::ServerCore> core_;
};

}  // namespace coffer::net
