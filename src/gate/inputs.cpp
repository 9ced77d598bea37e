#include "gate/detail/inputs.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>

#include "gate/detail/canonical_form.h"
#include "gate/detail/source.h"
#include "program/decimal.h"

namespace coffer::gate {
namespace {

constexpr std::size_t kEntriesMax = 100'000'000;
constexpr std::size_t kPieceBytes = 1U << 20;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Numbers with an exponent or more than 18 digits.
std::optional<ScaledNumber> slow_number(std::string_view text) {
  auto decimal = program::Decimal::parse(text);
  if (!decimal) return std::nullopt;
  for (unsigned digits = 0; digits <= program::kDigitsMax; ++digits) {
    if (!decimal->on_grid(digits)) continue;
    const auto scaled = decimal->scaled(digits);
    if (scaled) return ScaledNumber{*scaled, digits};
    break;
  }
  for (unsigned digits = program::kDigitsMax + 1; digits-- > 0;) {
    if (const auto scaled = decimal->rounded(digits).scaled(digits)) {
      return ScaledNumber{*scaled, digits};
    }
  }
  return std::nullopt;
}

ScaledNumber shortest(ScaledNumber number) {
  while (number.digits > 0 && number.value % 10 == 0) {
    number.value /= 10;
    --number.digits;
  }
  return number;
}

bool ends_with(std::string_view name, std::string_view end) {
  if (name.size() < end.size()) return false;
  return std::equal(end.begin(), end.end(), name.end() - static_cast<std::ptrdiff_t>(end.size()),
                    [](char a, char b) { return a == (b >= 'A' && b <= 'Z' ? b + 32 : b); });
}

// The card's entry of a file: {path, format, rows, columns}, or null.
const Json* card_file(const Json& card, const std::string& path) {
  const auto* files = card["files"].as_array();
  if (files == nullptr) return nullptr;
  for (const Json& file : *files) {
    if (file.text_or("path", "") == path) return &file;
  }
  return nullptr;
}

const Json* card_column(const Json* file, const std::string& name) {
  const auto* columns = file != nullptr ? (*file)["columns"].as_array() : nullptr;
  if (columns == nullptr) return nullptr;
  for (const Json& column : *columns) {
    if (column.text_or("name", "") == name) return &column;
  }
  return nullptr;
}

// Splits lines into fields, with quotes where a field begins with one.
class RowReader {
 public:
  RowReader(ByteSource& source, char separator) : source_(source), separator_(separator) {}

  bool next() {
    raw.clear();
    for (std::size_t count = 0;; ++count) {
      if (count == cells.size()) cells.emplace_back();
      cells[count].clear();
      const int stop = field(cells[count]);
      if (stop == separator_ && raw.size() <= kRowBytesMax) continue;
      const bool line = stop == '\n';
      while (!raw.empty() && (raw.back() == '\n' || raw.back() == '\r')) raw.pop_back();
      if (!line && stop == -1 && raw.empty()) return false;
      auto& last = cells[count];
      while (!last.empty() && last.back() == '\r') last.pop_back();
      used = count + 1;
      cells.resize(used);
      return true;
    }
  }

  std::string raw;
  std::vector<std::string> cells;
  std::size_t used{0};

 private:
  int take() {
    const int symbol = source_.next();
    if (symbol >= 0) raw += static_cast<char>(symbol);
    return symbol;
  }
  // The separator, '\n', -1 at the end, or 0 where the row is cut.
  int field(std::string& out) {
    bool quoted = source_.peek() == '"';
    if (quoted) (void)take();
    while (raw.size() <= kRowBytesMax) {
      const int symbol = take();
      if (symbol == -1) return -1;
      if (quoted && symbol == '"') {
        if (source_.peek() == '"') {
          out += static_cast<char>(take());
        } else {
          quoted = false;
        }
        continue;
      }
      if (!quoted && (symbol == separator_ || symbol == '\n')) return symbol;
      out += static_cast<char>(symbol);
    }
    return 0;
  }
  ByteSource& source_;
  char separator_;
};

char separator_of(ByteSource& source) {
  constexpr std::array kSeparators{',', ';', '\t', '|'};
  std::array<std::size_t, kSeparators.size()> counts{};
  for (int c = source.next(); c != -1 && c != '\n'; c = source.next()) {
    for (std::size_t i = 0; i < counts.size(); ++i) counts[i] += c == kSeparators[i] ? 1U : 0U;
  }
  const auto most = std::max_element(counts.begin(), counts.end()) - counts.begin();
  return kSeparators[static_cast<std::size_t>(most)];
}

bool is_header(const std::vector<std::string>& cells, const Json* file) {
  for (const std::string& cell : cells) {
    if (card_column(file, cell) != nullptr) return true;
  }
  return std::none_of(cells.begin(), cells.end(),
                      [](const std::string& cell) { return number_of_cell(cell).has_value(); });
}

Result<> visit_rows(int fd, const Json* card, const Visitor& visitor) {
  ByteSource source{fd};
  const char separator = separator_of(source);
  source.seek(0);
  const ByteVector mark = source.take(3);
  const bool marked = text_of(mark) == "\xef\xbb\xbf";
  source.seek(marked ? 3 : 0);

  RowReader in{source, separator};
  RowsFile file;
  bool more = in.next();
  if (more && is_header(in.cells, card)) {
    file.names = in.cells;
    for (const std::string& name : file.names) file.published.push_back(card_column(card, name));
    more = in.next();
  }
  if (visitor.begin_rows) visitor.begin_rows(file);
  for (; more; more = in.next()) {
    if (visitor.row && !in.raw.empty()) visitor.row(in.raw, in.cells);
  }
  if (source.failed()) return Error{Code::Unavailable, "an input cannot be read"};
  return {};
}

Result<> visit_bytes(int fd, const Visitor& visitor) {
  ByteSource source{fd};
  std::string piece;
  for (;;) {
    const std::size_t kept = piece.size();
    while (piece.size() < kPieceBytes) {
      const ByteView part = source.chunk(kPieceBytes - piece.size());
      if (part.empty()) break;
      piece += text_of(part);
    }
    if (piece.size() == kept) break;
    if (visitor.bytes) visitor.bytes(piece);
    piece.erase(0, piece.size() - std::min(piece.size(), kCopyBytes - 1));
  }
  if (source.failed()) return Error{Code::Unavailable, "an input cannot be read"};
  return {};
}

struct Walk {
  const Json& card;
  const Visitor& visitor;
};

Result<> visit_directory(int directory, const std::string& path, unsigned depth, const Walk& walk) {
  COFFER_TRY(auto names, list_directory(directory, kEntriesMax));
  std::sort(names.begin(), names.end());
  for (const std::string& name : names) {
    const std::string inner = path.empty() ? name : path + "/" + name;
    struct stat status {};
    if (::fstatat(directory, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
      return Error{Code::Unavailable, "an input cannot be read"};
    }
    if (S_ISDIR(status.st_mode) && depth < kDepthMax) {
      const UniqueFd child{
          ::openat(directory, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)};
      if (!child) return Error{Code::Unavailable, "an input cannot be read"};
      COFFER_CHECK(visit_directory(child.get(), inner, depth + 1, walk));
    } else if (S_ISREG(status.st_mode)) {
      const UniqueFd file{::openat(directory, name.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC)};
      if (!file) return Error{Code::Unavailable, "an input cannot be read"};
      const bool rows = ends_with(name, ".csv") || ends_with(name, ".tsv");
      COFFER_CHECK(rows ? visit_rows(file.get(), card_file(walk.card, inner), walk.visitor)
                        : visit_bytes(file.get(), walk.visitor));
    }
  }
  return {};
}

}  // namespace

std::optional<ScaledNumber> number_of_cell(std::string_view cell) {
  while (!cell.empty() && cell.front() == ' ') cell.remove_prefix(1);
  while (!cell.empty() && cell.back() == ' ') cell.remove_suffix(1);
  std::string_view text = cell;
  const bool negative = !text.empty() && text[0] == '-';
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
  while (text.size() > 1 && text[0] == '0' && is_digit(text[1])) text.remove_prefix(1);
  ScaledNumber number;
  std::size_t seen = 0;
  bool point = false;
  for (const char c : text) {
    if (c == '.' && !point) {
      point = true;
    } else if (is_digit(c) && seen < program::kDigitsMax) {
      ++seen;
      number.value = 10 * number.value + (c - '0');
      number.digits += point ? 1 : 0;
    } else if (seen > 0 && (is_digit(c) || c == 'e' || c == 'E')) {
      const auto slow = slow_number((negative ? "-" : "") + std::string(text));
      if (!slow) return std::nullopt;
      return shortest(*slow);
    } else {
      return std::nullopt;
    }
  }
  if (seen == 0) return std::nullopt;
  if (negative) number.value = -number.value;
  return shortest(number);
}

std::string canonical_row(const std::vector<std::string>& cells) {
  std::string out;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (i > 0) out += ',';
    const auto number = number_of_cell(cells[i]);
    const std::size_t sign = !cells[i].empty() && cells[i][0] == '-' ? 1 : 0;
    // Leading zeros make a text of digits (a code, a telephone number) and stay.
    const bool code =
        cells[i].size() > sign + 1 && cells[i][sign] == '0' && is_digit(cells[i][sign + 1]);
    out += number && !code ? scaled_text(number->value, number->digits) : cells[i];
  }
  return out;
}

Result<> visit_inputs(int directory, const std::vector<ProtectedInput>& inputs,
                      const Visitor& visitor) {
  for (const ProtectedInput& input : inputs) {
    const UniqueFd alias{
        ::openat(directory, input.alias.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)};
    if (!alias) return Error{Code::Unavailable, input.alias + ": the input is not there"};
    COFFER_CHECK(visit_directory(alias.get(), "", 0, {input.card, visitor}));
  }
  return {};
}

}  // namespace coffer::gate
