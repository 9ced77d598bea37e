// One connection of a Server: a machine of states that moves when its socket does.
//
// Handshake → Head → Body → Waiting (for a Reply) → Writing → Head …, or → Streaming; Lingering
// reads on for a moment after a refusal, so that the refusal is not lost to a reset.
// Invariants: every state but Waiting has a deadline; `request_` numbers the requests, so that an
// old Reply cannot answer a new one; no callback of the handler runs inside Reply or EventStream.
// Errors, Thread-safety: as net/server.h says.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "net/detail/http1.h"
#include "net/detail/server_core.h"
#include "net/detail/transport.h"
#include "net/server.h"

namespace coffer::net::detail {

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(ServerCore& core, std::unique_ptr<Transport> transport, Peer peer);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() = default;

  Result<> start();
  void kill();
  void drain();
  // Nothing of a request has come: also when it never said a word.
  bool is_idle() const {
    return (state_ == State::Handshake || state_ == State::Head) && in_.empty();
  }
  Instant since() const { return since_; }
  const std::string& address() const { return peer_.address; }

  static Reply reply_to(const std::shared_ptr<Connection>& connection, std::uint64_t request) {
    return Reply{connection, request};
  }
  void answer(std::uint64_t request, Response response);
  void open_stream(std::uint64_t request, Headers headers);
  void push(std::uint64_t request, const Event& event);
  void close_stream(std::uint64_t request);
  void on_stream_close(std::uint64_t request, Task task);
  bool stream_open(std::uint64_t request) const;
  bool client_gone(std::uint64_t request) const;

 private:
  enum class State : std::uint8_t {
    Handshake,
    Head,
    Continue,
    Body,
    Waiting,
    Writing,
    Streaming,
    Lingering,
    Closed
  };
  // What to wait for; Again: nothing, go on.
  enum class Next : std::uint8_t { Again, Read, Write, Hangup, Gone };

  void on_ready();
  void on_deadline();
  void advance();
  void soon();  // advance() from the loop
  void watch_for(Next next);
  void finish();

  Next step();
  Next step_handshake();
  Next step_head();
  Next step_continue();
  Next step_body();
  Next step_writing();
  Next step_streaming();
  Next step_lingering();

  Next begin_request(std::string_view block);
  Next begin_body(Intake intake);
  Next take_body();
  std::uint64_t body_max() const;
  bool deliver(std::string_view bytes);
  Next serve();
  Next after_answer();
  Next refuse(const Refusal& refusal);
  Next refuse_too_large();
  void cut_body();
  void start_answer(Response response);
  Next read_more();
  // Sends what is left of out_ and file_; Again when all is sent.
  Next flush();
  Next wait_for(Io state);

  void arm(Duration from_now);
  void arm_at(Instant due);
  void disarm();
  void arm_for_progress(std::uint64_t moved);

  ServerCore* core_;  // null once closed
  std::unique_ptr<Transport> transport_;
  Peer peer_;
  State state_{State::Handshake};
  Watch watch_;
  Timer deadline_;
  std::optional<Instant> due_;
  Instant since_{};  // when this state began
  bool advancing_{false};
  bool half_closed_{false};

  std::string in_;  // received and not yet taken
  std::uint64_t request_{0};
  RequestHead parsed_;
  Intake intake_;
  ChunkReader chunks_;
  std::string body_;
  std::uint64_t received_{0};

  std::string out_;
  std::size_t out_at_{0};
  std::optional<FileRange> file_;
  std::uint64_t sent_{0};
  bool keep_alive_{false};
  bool unread_{false};  // the client may still be sending

  Timer beat_;
  Task stream_closed_;
  bool stream_closing_{false};
  bool stream_lost_{false};
};

}  // namespace coffer::net::detail
