#include "net/detail/connection.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/io.h"
#include "base/text.h"

namespace coffer::net::detail {
namespace {

constexpr std::size_t kReadBytes = 64 << 10;
constexpr int kStepsPerTurn = 32;  // then other connections get theirs
constexpr Refusal kTooSlow{408, "too_slow", "the request did not arrive in time"};
constexpr Refusal kNoStorage{503, "no_storage", "the body could not be stored"};
constexpr Refusal kDiskFull{503, "no_storage", "the disk is full: free some space, then try again"};

}  // namespace

Connection::Connection(ServerCore& core, std::unique_ptr<Transport> transport, Peer peer)
    : core_(&core), transport_(std::move(transport)), peer_(std::move(peer)) {}

Result<> Connection::start() {
  since_ = core_->loop().now();
  COFFER_TRY(watch_, core_->loop().watch(transport_->fd(), Ready::Read,
                                         [this] { shared_from_this()->on_ready(); }));
  arm(core_->limits().head_time);
  return {};
}

// ---- Moving ------------------------------------------------------------------------------------

void Connection::on_ready() {
  // In these two states only a hang-up is watched for, or a write that will find it.
  if (state_ == State::Waiting) half_closed_ = true;
  if (state_ == State::Streaming && out_at_ == out_.size()) stream_lost_ = true;
  advance();
}

void Connection::soon() {
  core_->loop().post([weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->advance();
  });
}

void Connection::advance() {
  if (advancing_ || state_ == State::Closed) return;
  const auto self = shared_from_this();
  advancing_ = true;
  Next next = Next::Again;
  for (int i = 0; next == Next::Again && i < kStepsPerTurn; ++i) next = step();
  advancing_ = false;
  if (state_ == State::Closed) return;
  if (next == Next::Gone) return finish();
  watch_for(next);
}

void Connection::watch_for(Next next) {
  switch (next) {
    case Next::Read:
      return watch_.change(Ready::Read);
    case Next::Write:
      return watch_.change(Ready::Write);
    case Next::Hangup:
      return half_closed_ ? watch_.pause() : watch_.change(Ready::Hangup);
    case Next::Again:
      watch_.pause();
      return soon();
    case Next::Gone:
      return;
  }
}

Connection::Next Connection::step() {
  switch (state_) {
    case State::Handshake:
      return step_handshake();
    case State::Head:
      return step_head();
    case State::Continue:
      return step_continue();
    case State::Body:
      return step_body();
    case State::Waiting:
      return Next::Hangup;
    case State::Writing:
      return step_writing();
    case State::Streaming:
      return step_streaming();
    case State::Lingering:
      return step_lingering();
    case State::Closed:
      return Next::Gone;
  }
  return Next::Gone;
}

Connection::Next Connection::wait_for(Io state) {
  switch (state) {
    case Io::Done:
      return Next::Again;
    case Io::WantRead:
      return Next::Read;
    case Io::WantWrite:
      return Next::Write;
    case Io::Closed:
    case Io::Failed:
      return Next::Gone;
  }
  return Next::Gone;
}

void Connection::finish() {
  if (state_ == State::Closed) return;
  const auto self = shared_from_this();
  const State last = std::exchange(state_, State::Closed);
  watch_.cancel();
  disarm();
  beat_.cancel();
  transport_.reset();
  ServerCore* core = std::exchange(core_, nullptr);
  core->remove(self, peer_.address);
  if (last == State::Body || last == State::Continue) cut_body();
  if (const Task closed = std::exchange(stream_closed_, nullptr); closed) closed();
}

void Connection::kill() { finish(); }

void Connection::drain() {
  if (is_idle() || state_ == State::Lingering) return finish();
  keep_alive_ = false;
  if (state_ != State::Streaming) return;
  stream_closing_ = true;
  soon();
  if (const Task closed = std::exchange(stream_closed_, nullptr); closed) closed();
}

// ---- Deadlines ---------------------------------------------------------------------------------

void Connection::arm(Duration from_now) { arm_at(core_->loop().now() + from_now); }

// A timer that is due earlier stays: on_deadline() sees that it was put off. So moving a deadline
// away costs nothing.
void Connection::arm_at(Instant due) {
  const bool sooner = !due_ || due < *due_;
  due_ = due;
  if (sooner || !deadline_) {
    deadline_ = core_->loop().after(due - core_->loop().now(), [this] { on_deadline(); });
  }
}

void Connection::disarm() {
  due_.reset();
  deadline_.cancel();
}

// For a body of either direction: stall_time, and as long as rate_min allows for what has moved.
void Connection::arm_for_progress(std::uint64_t moved) {
  const Limits& limits = core_->limits();
  const auto earned = std::chrono::seconds{static_cast<std::int64_t>(
      std::min<std::uint64_t>(moved / std::max<std::uint64_t>(limits.rate_min, 1), 1'000'000))};
  arm_at(std::min(since_ + limits.stall_time + earned,
                  core_->loop().now() + limits.stall_time + limits.stall_time));
}

void Connection::on_deadline() {
  const auto self = shared_from_this();
  const auto due = std::exchange(due_, std::nullopt);
  deadline_.cancel();
  if (!due) return;
  if (core_->loop().now() < *due) return arm_at(*due);
  const bool asked = (state_ == State::Head && !in_.empty()) || state_ == State::Body;
  if (!asked) return finish();
  const bool body = state_ == State::Body;
  (void)refuse(kTooSlow);
  if (body) cut_body();
  advance();
}

// ---- Receiving ---------------------------------------------------------------------------------

Connection::Next Connection::step_handshake() {
  const Next next = wait_for(transport_->handshake().state);
  if (next != Next::Again) return next;
  state_ = State::Head;
  return Next::Again;
}

Connection::Next Connection::read_more() {
  std::array<char, kReadBytes> piece;
  const IoResult got = transport_->read(piece);
  if (got.state == Io::Done) in_.append(piece.data(), got.bytes);
  return wait_for(got.state);
}

Connection::Next Connection::step_head() {
  const std::size_t limit = core_->limits().head_bytes;
  if (in_.starts_with("\r\n")) in_.erase(0, 2);  // RFC 9112 section 2.2: one empty line is forgiven
  const auto end = std::string_view{in_}.substr(0, limit).find(kHeadEnd);
  if (end != std::string_view::npos) {
    const std::string block = in_.substr(0, end + kHeadEnd.size());
    in_.erase(0, block.size());
    return begin_request(block);
  }
  if (in_.size() >= limit)
    return refuse({431, "head_too_large", "the request's head is too large"});
  const bool first = in_.empty();
  if (first && core_->draining()) return Next::Gone;
  const Next next = read_more();
  if (next == Next::Again && first) {
    disarm();
    arm(core_->limits().head_time);
  }
  return next;
}

Connection::Next Connection::begin_request(std::string_view block) {
  ++request_;
  received_ = 0;
  body_.clear();
  auto parsed = parse_request_head(block, core_->limits().head_fields);
  if (const auto* refusal = std::get_if<Refusal>(&parsed)) return refuse(*refusal);
  auto& head = std::get<RequestHead>(parsed);
  head.head.peer = peer_;
  keep_alive_ = head.keep_alive;
  parsed_ = std::move(head);
  Intake intake = core_->handler().admit(parsed_.head);
  if (state_ == State::Closed) return Next::Gone;
  if (auto* response = std::get_if<Response>(&intake)) {
    unread_ = parsed_.framing != Framing::None;
    if (unread_) keep_alive_ = false;
    start_answer(std::move(*response));
    return Next::Again;
  }
  return begin_body(std::move(intake));
}

Connection::Next Connection::begin_body(Intake intake) {
  intake_ = std::move(intake);
  if (auto* memory = std::get_if<IntoMemory>(&intake_)) {
    memory->bytes_max = std::min(memory->bytes_max, core_->limits().body_memory_max);
  }
  if (parsed_.framing == Framing::None) return serve();
  chunks_ = {};
  since_ = core_->loop().now();
  disarm();
  arm(core_->limits().stall_time);
  state_ = State::Body;
  if (parsed_.framing == Framing::Length && parsed_.length > body_max()) {
    const Next next = refuse_too_large();
    cut_body();
    return next;
  }
  if (parsed_.expects_continue && in_.empty()) {
    out_ = "HTTP/1.1 100 Continue\r\n\r\n";
    out_at_ = 0;
    state_ = State::Continue;
  }
  return Next::Again;
}

Connection::Next Connection::step_continue() {
  const Next next = flush();
  if (next == Next::Again) state_ = State::Body;
  return next;
}

// Takes what has been received, then asks the socket for more.
Connection::Next Connection::step_body() {
  if (in_.empty()) {
    const Next next = read_more();
    if (next != Next::Again) return next;
  }
  return take_body();
}

Connection::Next Connection::take_body() {
  bool whole = false;
  bool fits = true;
  if (parsed_.framing == Framing::Length) {
    const auto take =
        static_cast<std::size_t>(std::min<std::uint64_t>(in_.size(), parsed_.length - received_));
    fits = deliver(std::string_view{in_}.substr(0, take));
    in_.erase(0, take);
    whole = received_ == parsed_.length;
  } else {
    std::string decoded;
    const auto step = chunks_.feed(in_, decoded);
    in_.erase(0, step.consumed);
    fits = deliver(decoded);
    whole = step.state == ChunkReader::State::Done;
    if (step.state == ChunkReader::State::Bad) {
      const Next next = refuse({400, "bad_chunk", "the chunked body is malformed"});
      cut_body();
      return next;
    }
    if (!whole && step.consumed == 0) return read_more();
  }
  if (fits) {
    arm_for_progress(received_);
    return whole ? serve() : Next::Again;
  }
  if (state_ == State::Body) (void)refuse_too_large();
  cut_body();
  return Next::Again;
}

std::uint64_t Connection::body_max() const {
  const auto* memory = std::get_if<IntoMemory>(&intake_);
  return memory != nullptr ? memory->bytes_max : std::get<IntoFile>(intake_).bytes_max;
}

Connection::Next Connection::refuse_too_large() {
  const std::string text =
      "the body is larger than the " + render_size(body_max()) + " that are allowed here";
  return refuse({413, "body_too_large", text});
}

// False when the body does not fit; refuse() has been called where that is not for its size.
bool Connection::deliver(std::string_view bytes) {
  if (auto* memory = std::get_if<IntoMemory>(&intake_)) {
    if (bytes.size() > memory->bytes_max - body_.size()) return false;
    body_ += bytes;
    received_ += bytes.size();
    return true;
  }
  auto& file = std::get<IntoFile>(intake_);
  if (bytes.size() > file.bytes_max - received_) return false;
  if (!write_fully_at(file.fd.get(), bytes_of(bytes), file.offset + received_)) {
    (void)refuse(errno == ENOSPC || errno == EDQUOT ? kDiskFull : kNoStorage);
    return false;
  }
  received_ += bytes.size();
  return true;
}

// Tells the owner of an upload that it did not arrive whole. Once: the intake is gone afterwards.
void Connection::cut_body() {
  Intake intake = std::exchange(intake_, IntoMemory{});
  const auto* file = std::get_if<IntoFile>(&intake);
  if (file != nullptr && file->on_cut) file->on_cut(received_);
}

Connection::Next Connection::serve() {
  state_ = State::Waiting;
  disarm();
  intake_ = IntoMemory{};
  Request request{std::move(parsed_.head), std::move(body_), received_};
  parsed_.head.method = request.head.method;  // HEAD decides on how the answer is written
  body_.clear();
  core_->handler().serve(std::move(request), reply_to(shared_from_this(), request_));
  return state_ == State::Waiting ? Next::Hangup : Next::Again;
}

// ---- Answering ---------------------------------------------------------------------------------

Connection::Next Connection::refuse(const Refusal& refusal) {
  keep_alive_ = false;
  unread_ = true;
  Response response = core_->handler().problem(refusal.status, refusal.code, refusal.text);
  if (state_ == State::Closed) return Next::Gone;
  start_answer(std::move(response));
  return Next::Again;
}

}  // namespace coffer::net::detail
