// The listening side of a Server: it accepts, counts and forgets connections.
//
// Invariants: a connection is in `connections_` from accept to its end; counts per address follow.
// Errors, Thread-safety: as net/server.h says.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "base/unique_fd.h"
#include "net/detail/transport.h"
#include "net/loop.h"
#include "net/server.h"

namespace coffer::net::detail {

class ServerCore {
 public:
  ServerCore(Loop& loop, UniqueFd listener, Handler& handler, ServerOptions options,
             std::optional<TlsContext> tls);
  ServerCore(const ServerCore&) = delete;
  ServerCore& operator=(const ServerCore&) = delete;
  ~ServerCore();

  Result<> start();
  void drain(Duration patience, Task done);
  void pause(Duration patience, Task done);
  void resume();
  void remove(const std::shared_ptr<Connection>& connection, const std::string& address);

  Loop& loop() { return loop_; }
  Handler& handler() { return handler_; }
  const Limits& limits() const { return options_.limits; }
  bool draining() const { return draining_; }
  std::size_t connections() const { return connections_.size(); }
  std::uint16_t port() const { return port_; }

 private:
  void accept_some();
  bool accept_one();  // whether another may be waiting
  bool make_room(const std::string& address);
  void add(UniqueFd fd, Peer peer);
  void kill_all();
  void let_go(Duration patience, Task done);
  void finish_drain();

  Loop& loop_;
  UniqueFd listener_;
  Handler& handler_;
  ServerOptions options_;
  std::optional<TlsContext> tls_;
  std::uint16_t port_{0};
  Watch accepting_;
  Timer later_;  // accepting again after descriptors ran out; then the end of a drain
  std::set<std::shared_ptr<Connection>> connections_;
  std::map<std::string, std::size_t> per_address_;
  bool draining_{false};
  Task drained_;
};

}  // namespace coffer::net::detail
