// columns.csv: the proposal as a table that a steward edits.
//
//   file,column,kind,type,values,min,max,blanks,publish,reason
// RFC 4180, UTF-8. One line for each file (column empty, kind `file`, type its format), for each
// column, and for each embedded tag (column `tag:NAME`). Values are joined by '|', with \| and
// \\ for those two characters. blanks: allowed or required. publish: yes or no.
// What may be edited: kind, type, values, min, max, blanks, publish of columns; publish of files. A
// column without its line is not published, nor a file without its line. A file whose columns were
// not read (Parquet) may be given columns by adding lines. Reasons and tag lines are not read back.
// parse_columns_csv(render_columns_csv(p), p) equals p where all of p has lines.
// Errors: InvalidArgument: "columns.csv line 14, kind: ...".
// Thread-safety: pure functions.
#pragma once

#include <string>
#include <string_view>

#include "scan/proposal.h"

namespace coffer::scan {

std::string render_columns_csv(const Proposal& proposal);
// `proposal`: what was proposed; files, formats and rows come from there.
Result<Proposal> parse_columns_csv(std::string_view text, const Proposal& proposal);

}  // namespace coffer::scan
