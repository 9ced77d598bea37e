// For tests: a server on a thread of its own, a bare socket to be rude with, a scripted peer.
//
// Errors: none; what cannot be set up aborts the test program. Thread-safety: as each says.
#pragma once

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <atomic>
#include <cstdlib>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "net/server.h"

namespace coffer::net {

constexpr int kPatienceMs = 8000;  // a test that waits longer has failed

// An unnamed file with that content.
inline UniqueFd file_with(std::string_view content) {
  UniqueFd fd{::memfd_create("coffer_net_test", MFD_CLOEXEC)};
  if (::write(fd.get(), content.data(), content.size()) != static_cast<ssize_t>(content.size())) {
    std::abort();
  }
  if (::lseek(fd.get(), 0, SEEK_SET) != 0) std::abort();
  return fd;
}

inline std::string content_of(int fd) {
  std::string out;
  char piece[65536];
  ssize_t got = 0;
  while ((got = ::pread(fd, piece, sizeof piece, static_cast<off_t>(out.size()))) > 0) {
    out.append(piece, static_cast<std::size_t>(got));
  }
  return out;
}

// Bytes that differ everywhere, so that a shifted copy is noticed.
inline std::string pattern(std::size_t size) {
  std::string out;
  while (out.size() < size) out += fmt::format("{:x}.", out.size());
  out.resize(size);
  return out;
}

class TestHandler final : public Handler {
 public:
  std::function<Intake(const Head&)> admit_with = [](const Head&) { return IntoMemory{}; };
  std::function<void(Request, Reply)> serve_with = [](Request request, Reply reply) {
    std::move(reply).send(Response::text(
        200, fmt::format("{} {} {}", request.head.method, request.head.target.path, request.body)));
  };
  std::atomic<int> served{0};

  Intake admit(const Head& head) override { return admit_with(head); }
  void serve(Request request, Reply reply) override {
    ++served;
    serve_with(std::move(request), std::move(reply));
  }
};

// Everything of the server happens on its thread; on_loop() runs a task there and waits for it.
class TestServer {
 public:
  explicit TestServer(ServerOptions options = {}, std::string_view address = "127.0.0.1:0") {
    auto opened = Server::open(loop, *listen_on(address), handler, std::move(options));
    if (!opened) std::abort();
    server.emplace(*std::move(opened));
    port = server->port();
    thread_ = std::thread([this] { loop.run(); });
  }
  TestServer(const TestServer&) = delete;
  TestServer& operator=(const TestServer&) = delete;
  ~TestServer() {
    on_loop([this] { server.reset(); });
    loop.stop();
    thread_.join();
  }

  void on_loop(const Task& task) {
    std::promise<void> done;
    loop.post([&] {
      task();
      done.set_value();
    });
    done.get_future().wait();
  }
  // Waits until `condition`, asked on the loop, is true.
  bool eventually(const std::function<bool()>& condition) {
    for (int i = 0; i < kPatienceMs / 5; ++i) {
      bool met = false;
      on_loop([&] { met = condition(); });
      if (met) return true;
      std::this_thread::sleep_for(5ms);
    }
    return false;
  }
  std::string url() const { return fmt::format("http://127.0.0.1:{}", port); }

  Loop loop = *Loop::open();
  TestHandler handler;
  std::optional<Server> server;
  std::uint16_t port{0};

 private:
  std::thread thread_;
};

class RawClient {
 public:
  explicit RawClient(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(fd_.get(), reinterpret_cast<sockaddr*>(&to), sizeof to) == 0;
  }
  explicit RawClient(UniqueFd fd) : fd_(std::move(fd)), connected_(true) {}

  bool connected() const { return connected_; }
  int fd() const { return fd_.get(); }
  bool say(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto sent = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  // What has come up to and with `end`; all there was if the peer closed (or patience ran out).
  std::string hear_until(std::string_view end) {
    while (true) {
      const auto at = heard_.find(end);
      if (at != std::string::npos) {
        std::string out = heard_.substr(0, at + end.size());
        heard_.erase(0, out.size());
        return out;
      }
      if (!hear_more()) return std::exchange(heard_, {});
    }
  }
  std::string hear_all() {
    while (hear_more()) continue;
    return std::exchange(heard_, {});
  }
  // One answer with a Content-Length.
  std::string hear_answer() {
    std::string head = hear_until("\r\n\r\n");
    const auto at = head.find("Content-Length: ");
    if (at == std::string::npos) return head;
    const std::size_t length = std::stoul(head.substr(at + 16));
    while (heard_.size() < length && hear_more()) continue;
    head += heard_.substr(0, length);
    heard_.erase(0, length);
    return head;
  }
  bool closed_by_peer() { return hear_all().empty() && ended_; }
  void stop_saying() { (void)::shutdown(fd_.get(), SHUT_WR); }
  void hang_up() { fd_.reset(); }

 private:
  bool hear_more() {
    pollfd waiting{fd_.get(), POLLIN, 0};
    if (::poll(&waiting, 1, kPatienceMs) <= 0) return false;
    char piece[65536];
    const auto got = ::recv(fd_.get(), piece, sizeof piece, 0);
    ended_ = got <= 0;
    if (got > 0) heard_.append(piece, static_cast<std::size_t>(got));
    return got > 0;
  }
  UniqueFd fd_;
  bool connected_{false};
  bool ended_{false};
  std::string heard_;
};

// Listens, and has each connection handled by the next script, on a thread.
class ScriptedPeer {
 public:
  using Script = std::function<void(RawClient& client)>;
  explicit ScriptedPeer(std::vector<Script> scripts) : listener_(*listen_on("127.0.0.1:0")) {
    sockaddr_in at{};
    socklen_t size = sizeof at;
    (void)::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&at), &size);
    port_ = ntohs(at.sin_port);
    thread_ = std::thread([this, scripts = std::move(scripts)] {
      for (const auto& script : scripts) {
        pollfd waiting{listener_.get(), POLLIN, 0};
        if (::poll(&waiting, 1, kPatienceMs) <= 0) return;
        RawClient client{UniqueFd{::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC)}};
        script(client);
      }
    });
  }
  ScriptedPeer(const ScriptedPeer&) = delete;
  ScriptedPeer& operator=(const ScriptedPeer&) = delete;
  ~ScriptedPeer() { thread_.join(); }
  std::string url() const { return fmt::format("http://127.0.0.1:{}", port_); }

  // Reads one head, says `answer`, and closes.
  static Script answering(std::string answer) {
    return [answer = std::move(answer)](RawClient& client) {
      (void)client.hear_until("\r\n\r\n");
      (void)client.say(answer);
    };
  }

 private:
  UniqueFd listener_;
  std::uint16_t port_{0};
  std::thread thread_;
};

}  // namespace coffer::net
