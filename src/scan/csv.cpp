#include "scan/csv.h"

#include <algorithm>
#include <array>

namespace coffer::scan {
namespace {

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

}  // namespace

Result<> CsvReader::feed(std::string_view text) {
  for (const char c : text) {
    COFFER_CHECK(take(c));
    ++bytes_;
  }
  return {};
}

Result<> CsvReader::take(char c) {
  if (!row_started_) {
    row_started_ = true;
    row_line_ = line_;
  }
  if (c == '\n') ++line_;
  if (state_ == State::Quoted) {
    if (c == '"') {
      state_ = State::QuoteInQuoted;
    } else {
      append(c);
    }
    return {};
  }
  if (c == '"') {
    if (state_ == State::QuoteInQuoted) {
      state_ = State::Quoted;
      append(c);
      return {};
    }
    const bool after_mark = bytes_ == 3 && field_ == kByteOrderMark;
    if (state_ == State::FieldStart || after_mark) {
      if (after_mark) {
        oddities_.byte_order_mark = true;
        field_.clear();
      }
      state_ = State::Quoted;
      quoted_ = true;
      return {};
    }
    ++oddities_.stray_quotes;
    append(c);
    return {};
  }
  if (c == delimiter_) {
    end_field();
    return {};
  }
  if (c == '\n') return end_row();
  if (state_ == State::QuoteInQuoted && c != '\r') ++oddities_.stray_quotes;
  if (c != '\r' || state_ != State::QuoteInQuoted) {
    append(c);
    state_ = State::Plain;
  } else {
    oddities_.crlf = true;  // dropped here: a line end follows
  }
  return {};
}

void CsvReader::append(char c) {
  if (field_.size() < kFieldMax) {
    field_ += c;
  } else {
    oddities_.cut = true;
  }
}

void CsvReader::end_field() {
  if (count_ == 0 && fields_.empty() && line_ <= 2 && field_.starts_with(kByteOrderMark) &&
      !quoted_) {
    oddities_.byte_order_mark = true;
    field_.erase(0, kByteOrderMark.size());
  }
  if (count_ < kRowFieldsMax) {
    if (count_ == fields_.size()) fields_.emplace_back();
    fields_[count_++].assign(field_);
  } else {
    oddities_.cut = true;
  }
  field_.clear();
  quoted_ = false;
  state_ = State::FieldStart;
}

Result<> CsvReader::end_row() {
  if (!quoted_ && field_.ends_with('\r')) {
    oddities_.crlf = true;
    field_.pop_back();
  }
  const bool blank = count_ == 0 && field_.empty() && !quoted_;
  row_started_ = false;
  if (blank) {
    ++oddities_.blank_lines;
    state_ = State::FieldStart;
    return {};
  }
  end_field();
  fields_.resize(count_);
  count_ = 0;
  return handler_({row_line_, fields_});
}

Result<> CsvReader::finish() {
  if (state_ == State::Quoted) oddities_.unfinished_quote = true;
  return row_started_ ? end_row() : Result<>{};
}

char find_delimiter(std::string_view head) {
  constexpr std::array kCandidates{',', '\t', ';', '|'};
  constexpr std::size_t kRows = 20;
  char best = ',';
  std::size_t best_fields = 1;
  for (const char candidate : kCandidates) {
    std::vector<std::size_t> counts;
    CsvReader reader{candidate, [&](const CsvRow& row) -> Result<> {
                       counts.push_back(row.fields.size());
                       if (counts.size() < kRows) return {};
                       return Error{Code::Cancelled, "enough rows"};
                     }};
    const auto fed = reader.feed(head);
    // Of a head without a whole row the part of one still says something.
    if (fed && counts.empty()) (void)reader.finish();
    if (counts.empty() || counts.front() <= best_fields) continue;
    const auto same = std::count(counts.begin(), counts.end(), counts.front());
    if (10 * static_cast<std::size_t>(same) < 9 * counts.size()) continue;
    best = candidate;
    best_fields = counts.front();
  }
  return best;
}

std::string csv_field(std::string_view text, char delimiter) {
  const bool plain = text.find_first_of("\"\r\n") == std::string_view::npos &&
                     text.find(delimiter) == std::string_view::npos;
  if (plain) return std::string(text);
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + '"';
}

}  // namespace coffer::scan
