// The second half of Connection: answers, files, streams of events.
#include <fmt/chrono.h>
#include <fmt/format.h>

#include "net/detail/connection.h"

namespace coffer::net::detail {
namespace {

constexpr Duration kLingerTime = 2s;
constexpr std::uint64_t kLingerBytes = 4 << 20;

std::string http_date() {
  const auto now = SystemClock{}.unix_time();
  return fmt::format("{:%a, %d %b %Y %H:%M:%S} GMT", std::chrono::floor<std::chrono::seconds>(now));
}

std::string render_head(int status, const Headers& headers) {
  std::string out =
      fmt::format("HTTP/1.1 {} {}\r\nDate: {}\r\n", status, reason_phrase(status), http_date());
  for (const auto& [name, value] : headers.all()) out += fmt::format("{}: {}\r\n", name, value);
  return out;
}

bool has_body(int status) { return status >= 200 && status != 204 && status != 304; }

}  // namespace

void Connection::start_answer(Response response) {
  if (core_->draining() || half_closed_) keep_alive_ = false;
  auto* text = std::get_if<std::string>(&response.body);
  auto* file = std::get_if<FileRange>(&response.body);
  out_ = render_head(response.status, response.headers);
  if (!keep_alive_) out_ += "Connection: close\r\n";
  if (has_body(response.status)) {
    out_ += fmt::format("Content-Length: {}\r\n", text != nullptr ? text->size() : file->length);
  }
  out_ += "\r\n";
  out_at_ = 0;
  sent_ = 0;
  file_.reset();
  if (has_body(response.status) && parsed_.head.method != "HEAD") {
    if (text != nullptr) out_ += *text;
    if (file != nullptr && file->length > 0) file_ = std::move(*file);
  }
  state_ = State::Writing;
  since_ = core_->loop().now();
  disarm();
  arm(core_->limits().stall_time);
}

Connection::Next Connection::flush() {
  if (out_at_ < out_.size()) {
    const IoResult put = transport_->write(std::string_view{out_}.substr(out_at_));
    if (put.state != Io::Done) return wait_for(put.state);
    out_at_ += put.bytes;
    sent_ += put.bytes;
  } else if (file_) {
    const IoResult put = transport_->send_file(file_->fd.get(), file_->offset, file_->length);
    if (put.state != Io::Done) return wait_for(put.state);
    file_->offset += put.bytes;
    file_->length -= put.bytes;
    sent_ += put.bytes;
    if (file_->length == 0) file_.reset();
  }
  return Next::Again;
}

Connection::Next Connection::step_writing() {
  const Next next = flush();
  if (next != Next::Again) return next;
  if (out_at_ == out_.size() && !file_) return after_answer();
  arm_for_progress(sent_);
  return Next::Again;
}

Connection::Next Connection::after_answer() {
  out_.clear();
  out_.shrink_to_fit();
  out_at_ = 0;
  parsed_ = {};
  if (keep_alive_ && !core_->draining()) {
    state_ = State::Head;
    since_ = core_->loop().now();
    disarm();
    arm(in_.empty() ? core_->limits().idle_time : core_->limits().head_time);
    return Next::Again;
  }
  transport_->shut();
  if (!unread_) return Next::Gone;
  state_ = State::Lingering;
  received_ = 0;
  in_.clear();
  disarm();
  arm(kLingerTime);
  return Next::Again;
}

Connection::Next Connection::step_lingering() {
  in_.clear();
  const Next next = read_more();
  received_ += in_.size();
  return received_ > kLingerBytes ? Next::Gone : next;
}

void Connection::answer(std::uint64_t request, Response response) {
  if (request != request_ || state_ != State::Waiting) return;
  start_answer(std::move(response));
  if (!advancing_) soon();
}

bool Connection::client_gone(std::uint64_t request) const {
  return request != request_ || state_ == State::Closed || half_closed_;
}

// ---- Event streams -----------------------------------------------------------------------------

void Connection::open_stream(std::uint64_t request, Headers headers) {
  if (request != request_ || state_ != State::Waiting) return;
  headers.set("Content-Type", "text/event-stream").set("Cache-Control", "no-store");
  out_ = render_head(200, headers) + "Connection: close\r\n\r\n";
  out_at_ = 0;
  keep_alive_ = false;
  stream_closing_ = core_->draining();
  stream_lost_ = half_closed_;
  state_ = State::Streaming;
  disarm();
  beat_ = core_->loop().every(core_->limits().event_beat, [this] {
    if (out_at_ < out_.size()) return;
    out_ = ":\n\n";
    out_at_ = 0;
    soon();
  });
  if (!advancing_) soon();
}

Connection::Next Connection::step_streaming() {
  if (stream_lost_) return Next::Gone;
  if (out_at_ == out_.size()) {
    disarm();
    if (!stream_closing_) return Next::Hangup;
    transport_->shut();
    return Next::Gone;
  }
  if (!due_) arm(core_->limits().stall_time);
  const Next next = flush();
  if (next == Next::Again) disarm();
  if (out_at_ == out_.size()) {
    out_.clear();
    out_at_ = 0;
  }
  return next;
}

bool Connection::stream_open(std::uint64_t request) const {
  return request == request_ && state_ == State::Streaming && !stream_closing_ && !stream_lost_;
}

void Connection::push(std::uint64_t request, const Event& event) {
  if (!stream_open(request)) return;
  out_.erase(0, std::exchange(out_at_, 0));
  out_ += render_event(event);
  if (out_.size() > core_->limits().events_pending_bytes) stream_lost_ = true;
  soon();
}

void Connection::close_stream(std::uint64_t request) {
  if (!stream_open(request)) return;
  stream_closed_ = nullptr;
  stream_closing_ = true;
  soon();
}

void Connection::on_stream_close(std::uint64_t request, Task task) {
  if (stream_open(request)) {
    stream_closed_ = std::move(task);
  } else if (core_ != nullptr) {
    core_->loop().post(std::move(task));
  }
}

}  // namespace coffer::net::detail
