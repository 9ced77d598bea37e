#include "gate/detail/csv_scan.h"

namespace coffer::gate {

CsvScan::Stop CsvScan::after(int symbol) {
  switch (symbol) {
    case -1:
      return source_.failed() ? Stop::Defect : Stop::End;
    case ',':
      return Stop::Comma;
    case '\n':
      return Stop::Line;
    case '\r':
      return source_.next() == '\n' ? Stop::Line : Stop::Defect;
    default:
      return Stop::Defect;
  }
}

CsvScan::Stop CsvScan::quoted(std::string& out) {
  while (out.size() <= kCsvFieldMax) {
    const int symbol = source_.next();
    if (symbol == -1) return Stop::Defect;
    if (symbol == '"' && source_.peek() != '"') return after(source_.next());
    if (symbol == '"') (void)source_.next();
    out += static_cast<char>(symbol);
  }
  return Stop::Defect;
}

CsvScan::Stop CsvScan::field(std::string& out) {
  if (source_.peek() == '"') {
    (void)source_.next();
    return quoted(out);
  }
  while (out.size() <= kCsvFieldMax) {
    const int symbol = source_.next();
    if (symbol == -1 || symbol == ',' || symbol == '\n' || symbol == '\r' || symbol == '"') {
      return after(symbol);
    }
    out += static_cast<char>(symbol);
  }
  return Stop::Defect;
}

CsvScan::Step CsvScan::next() {
  const int first = source_.peek();
  if (first == -1) return source_.failed() ? Step::Defect : Step::End;
  if (first == '\n' || first == '\r') return Step::Defect;  // a blank line
  for (std::size_t count = 0;; ++count) {
    if (count == fields_max_) return Step::Defect;
    if (count == row_.size()) row_.emplace_back();
    row_[count].clear();
    const Stop stop = field(row_[count]);
    if (stop == Stop::Defect) return Step::Defect;
    if (stop == Stop::Comma) continue;
    row_.resize(count + 1);
    return Step::Row;
  }
}

}  // namespace coffer::gate
