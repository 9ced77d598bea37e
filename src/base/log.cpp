#include "base/log.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"

namespace coffer {

void log_line(std::string_view part, std::string_view event, Json::Object fields) {
  Json line = Json::object({{"time", render_time(SystemClock{}.unix_time())},
                            {"part", std::string(part)},
                            {"event", std::string(event)}});
  for (auto& [name, value] : fields) line.set(name, std::move(value));
  const std::string text = [&] {
    std::string out = "{";
    for (const auto& [name, value] : *line.as_object()) {
      if (out.size() > 1) out += ',';
      out += Json{name}.canonical() + ':' + value.canonical();
    }
    return out + "}\n";
  }();
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text.data(), text.size());
}

void log_error(std::string_view part, std::string_view event, const Error& error) {
  log_line(
      part, event,
      {{"message", printable(error.message, 1000)}, {"detail", printable(error.detail, 1000)}});
}

}  // namespace coffer
