#include "net/events.h"

#include <algorithm>

#include "base/text.h"

namespace coffer::net {
namespace {

std::string one_line(std::string_view text) {
  std::string out{text};
  std::ranges::replace_if(
      out, [](char c) { return c == '\n' || c == '\r' || c == '\0'; }, ' ');
  return out;
}

}  // namespace

std::string render_event(const Event& event) {
  std::string out;
  if (!event.id.empty()) out += "id: " + one_line(event.id) + "\n";
  if (!event.name.empty()) out += "event: " + one_line(event.name) + "\n";
  for (const auto& line : split(event.data, '\n')) out += "data: " + one_line(line) + "\n";
  return out + "\n";
}

std::vector<Event> EventReader::feed(std::string_view piece) {
  std::vector<Event> events;
  for (const char c : piece) {
    const bool second_half = after_cr_ && c == '\n';
    after_cr_ = c == '\r';
    if (second_half) continue;
    if (c == '\n' || c == '\r') {
      line(rest_, events);
      rest_.clear();
    } else if (rest_.size() < kEventBytesMax) {
      rest_ += c;
    }
  }
  return events;
}

void EventReader::line(std::string_view text, std::vector<Event>& events) {
  if (text.empty()) {
    event_.id = last_id_;
    if (has_data_) events.push_back(event_);
    event_ = {};
    has_data_ = false;
    return;
  }
  const auto colon = text.find(':');
  const auto field = text.substr(0, colon);
  std::string_view value = colon == std::string_view::npos ? "" : text.substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  if (field == "id") last_id_ = value;
  if (field == "event") event_.name = value;
  if (field != "data" || event_.data.size() + value.size() > kEventBytesMax) return;
  if (has_data_) event_.data += '\n';
  event_.data += value;
  has_data_ = true;
}

}  // namespace coffer::net
