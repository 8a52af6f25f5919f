#include "shadow/journal_dump.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "compare/redact.h"
#include "protocol/text.h"

namespace pgparity::shadow {
namespace {

using protocol::StrCat;

std::string TimeOf(Stamp stamp, Stamp wall_offset) {
  const absl::Time time = absl::FromUnixNanos(static_cast<int64_t>(stamp + wall_offset));
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", time, absl::UTCTimeZone());
}

std::string_view NameOf(UnitEnd end) {
  switch (end) {
    case UnitEnd::committed:
      return "committed";
    case UnitEnd::rolled_back:
      return "rolled-back";
    case UnitEnd::prepared:
      return "prepared";
    case UnitEnd::committed_prepared:
      return "committed-prepared";
    case UnitEnd::rolled_back_prepared:
      return "rolled-back-prepared";
    case UnitEnd::in_doubt:
      return "in-doubt";
  }
  return "?";
}

std::string OutcomeOf(const Statement& statement) {
  using Kind = compare::Observation::Kind;
  const compare::Observation& primary = statement.primary;
  if (statement.copy_continues) return "(continues)";
  switch (primary.kind) {
    case Kind::error:
      return StrCat("ERROR ", compare::DecodeErrorFields(primary.error).sqlstate);
    case Kind::empty_query:
      return "(empty)";
    case Kind::portal_suspended:
      return StrCat("(suspended, ", primary.row_count, " rows)");
    case Kind::skipped:
      return "(no answer)";
    case Kind::rows_or_tag:
      break;
  }
  return primary.tag;
}

std::string ParametersOf(const Statement& statement) {
  std::string text;
  for (size_t i = 0; i < statement.parameters.values.size(); ++i) {
    const auto& value = statement.parameters.values[i];
    const bool binary =
        i < statement.parameters.formats.size() && statement.parameters.formats[i] == 1;
    text += StrCat(i == 0 ? " [" : ", ", "$", i + 1, "=");
    text += !value   ? "NULL"
            : binary ? StrCat("<binary ", value->size(), ">")
                     : StrCat("'", *value, "'");
  }
  return text.empty() ? text : text + "]";
}

// `unit` is how the unit is called in the line.
std::string Line(Position position, std::string_view unit, const Statement& statement,
                 bool reveal) {
  const std::string sql = !statement.known_text && statement.sql.empty() ? "(text not known)"
                          : reveal ? StrCat(statement.sql, ParametersOf(statement))
                                   : compare::RedactStatement(statement.sql);
  std::string line = StrCat(position, " ", unit, " ", compare::EscapeControl(sql));
  if (statement.copy_in) line += StrCat(" <- ", statement.copy_data.size(), " bytes");
  return StrCat(line, " -> ", compare::EscapeControl(OutcomeOf(statement)), "\n");
}

// The interval around the key's time, in microseconds, and the LSN; of a token, in brackets.
std::string OrderOf(const UnitHeader& header) {
  const auto micros = [&](Stamp stamp) {
    return (static_cast<int64_t>(stamp) - static_cast<int64_t>(header.key)) / 1000;
  };
  std::string order = StrCat(" ", micros(header.interval.lo), "..", micros(header.interval.hi));
  if (header.lsn == 0) return order;
  const std::string lsn =
      absl::StrFormat("%X/%X", header.lsn >> 32, static_cast<uint32_t>(header.lsn));
  return StrCat(order, header.token ? StrCat(" [", lsn, "]") : StrCat(" ", lsn));
}

std::string UnitLabel(const UnitHeader& header) {
  std::string label =
      StrCat("#", header.ordinal, " s", header.session, " ", TimeOf(header.key, header.wall_offset),
             OrderOf(header), " ", NameOf(header.end));
  if (header.late) label += " late";
  if (!header.gid.empty()) label += " prepared";
  return label;
}

absl::Status DumpRecord(const Record& record, const DumpOptions& options, const PrintFn& print) {
  if (record.type == RecordType::gap) {
    print(StrCat(record.position, " gap ",
                 compare::EscapeControl(StrCat(record.gap_reason, ": ", record.gap_detail)), "\n"));
    return absl::OkStatus();
  }
  std::string label = StrCat("part ", record.unit_id);
  if (record.type == RecordType::unit || record.type == RecordType::unit_end) {
    const absl::StatusOr<UnitHeader> header = DecodeHeader(record.header);
    if (!header.ok()) return header.status();
    label = UnitLabel(*header);
    if (record.type == RecordType::unit_end) label += StrCat(" (end of part ", record.unit_id, ")");
  } else if (record.type != RecordType::unit_part) {
    return absl::OkStatus();
  }
  const absl::StatusOr<std::vector<Statement>> statements = DecodeStatements(record.statements);
  if (!statements.ok()) return statements.status();
  for (const Statement& statement : *statements)
    print(Line(record.position, label, statement, options.reveal));
  return absl::OkStatus();
}

bool IsUnit(const Record& record) {
  return record.type == RecordType::unit || record.type == RecordType::unit_end;
}

// A decoder's error, with the place.
absl::Status At(const Record& record, const absl::Status& why) {
  return absl::DataLossError(protocol::ToAbsl(
      StrCat("corrupt journal at position ", record.position, ": ", protocol::MessageOf(why))));
}

struct SegmentContents {
  uint64_t units = 0;
  std::string first, last;  // times
};

absl::StatusOr<SegmentContents> LookInto(JournalReader* reader, const SegmentInfo& segment) {
  SegmentContents contents;
  if (absl::Status sought = reader->Seek(segment.start); !sought.ok()) return sought;
  while (reader->position() < segment.end) {
    const absl::StatusOr<std::optional<Record>> record = reader->Next();
    if (!record.ok()) return record.status();
    if (!record->has_value() || (*record)->position >= segment.end) break;
    if (!IsUnit(**record)) continue;
    const absl::StatusOr<UnitNumbers> numbers = DecodeUnitNumbers((*record)->header);
    if (!numbers.ok()) return At(**record, numbers.status());
    ++contents.units;
    contents.last = TimeOf(numbers->done, numbers->wall_offset);
    if (contents.first.empty()) contents.first = contents.last;
  }
  return contents;
}

}  // namespace

absl::Status ListJournal(JournalReader* reader, const PrintFn& print) {
  const absl::StatusOr<std::vector<SegmentInfo>> segments = reader->Segments();
  if (!segments.ok()) return segments.status();
  print(absl::StrFormat("%20s %20s %12s %9s  %-27s  %-27s  %s\n", "start", "end", "bytes", "units",
                        "first unit", "last unit", "file"));
  absl::Status first_error;
  for (const SegmentInfo& segment : *segments) {
    const absl::StatusOr<SegmentContents> contents = LookInto(reader, segment);
    if (!contents.ok() && first_error.ok()) first_error = contents.status();
    print(absl::StrFormat(
        "%20d %20d %12d %9s  %-27s  %-27s  %s\n", segment.start, segment.end,
        segment.end - segment.start, contents.ok() ? absl::StrCat(contents->units) : "corrupt",
        contents.ok() && contents->units > 0 ? contents->first : "-",
        contents.ok() && contents->units > 0 ? contents->last : "-", segment.file));
  }
  return first_error;
}

absl::Status DumpJournal(JournalReader* reader, const DumpOptions& options, const PrintFn& print) {
  const Position from = std::max(options.from, reader->begin());
  if (absl::Status sought = reader->Seek(from); !sought.ok()) return sought;
  for (uint64_t units = 0; options.limit == 0 || units < options.limit;) {
    const absl::StatusOr<std::optional<Record>> record = reader->Next();
    if (!record.ok()) return record.status();
    if (!record->has_value()) break;
    if (absl::Status dumped = DumpRecord(**record, options, print); !dumped.ok())
      return At(**record, dumped);
    if (IsUnit(**record)) ++units;
  }
  return absl::OkStatus();
}

absl::StatusOr<JournalCheck> CheckJournal(JournalReader* reader) {
  JournalCheck check;
  check.begin = reader->begin();
  if (absl::Status sought = reader->Seek(check.begin); !sought.ok()) return sought;
  while (true) {
    const absl::StatusOr<std::optional<Record>> next = reader->Next();
    if (!next.ok()) return next.status();
    if (!next->has_value()) break;
    const Record& record = **next;
    ++check.records;
    check.end = record.next;
    if (record.type == RecordType::gap) ++check.gaps;
    if (IsUnit(record)) {
      ++check.units;
      if (const auto header = DecodeHeader(record.header); !header.ok())
        return At(record, header.status());
    }
    const auto statements = DecodeStatements(record.statements);
    if (!statements.ok()) return At(record, statements.status());
    check.statements += static_cast<uint64_t>(
        std::count_if(statements->begin(), statements->end(),
                      [](const Statement& statement) { return !statement.copy_continues; }));
  }
  if (reader->tail() == JournalReader::Tail::corrupt) {
    return absl::DataLossError(StrCat("corrupt journal at position ", reader->position(),
                                      ": the last record's checksum does not hold"));
  }
  check.torn_tail = reader->tail() == JournalReader::Tail::incomplete;
  return check;
}

}  // namespace pgparity::shadow
