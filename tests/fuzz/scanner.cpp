// The scanner of files that are added (CSV, images, DICOM), and the steward's columns.csv.
#include "scan/scanner.h"

#include <algorithm>

#include "fuzz/fuzz.h"
#include "scan/columns_csv.h"

using namespace coffer;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto [which, input] = fuzz::choose(fuzz::text_in(data, size), 4);
  if (which == 3) {
    const auto parsed = scan::parse_columns_csv(input, {});
    fuzz::must(parsed || !parsed.error().message.empty(), "a refusal says why");
    return 0;
  }
  scan::Scanner scanner;
  scanner.begin(which == 0 ? "table.csv" : which == 1 ? "image.jpg" : "scan.dcm");
  // In pieces whose length the input itself tells: no piece may matter.
  const ByteView bytes = bytes_of(input);
  const std::size_t step = bytes.empty() ? 1 : 1 + std::to_integer<std::size_t>(bytes.front());
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    scanner.bytes(bytes.subspan(at, std::min(step, bytes.size() - at)));
  }
  scanner.end();
  const auto proposal = std::move(scanner).take();
  const std::string written = scan::render_columns_csv(proposal);
  const auto again = scan::parse_columns_csv(written, proposal);
  fuzz::must(again.has_value(), again ? "" : again.error().message.c_str());
  fuzz::must(scan::render_columns_csv(*again) == written, "a proposal survives columns.csv");
  return 0;
}
