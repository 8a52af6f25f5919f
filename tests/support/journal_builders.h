// Short ways to write journals in tests.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "shadow/journal.h"
#include "shadow/unit.h"

namespace pgparity::support {

// A statement of simple protocol with a command tag.
inline shadow::Statement MakeStatement(std::string sql, std::string tag = "INSERT 0 1") {
  shadow::Statement statement;
  statement.sql = std::move(sql);
  statement.primary.tag = std::move(tag);
  return statement;
}

inline shadow::UnitHeader MakeHeader(uint64_t ordinal, shadow::Stamp key) {
  shadow::UnitHeader header;
  header.ordinal = ordinal;
  header.session = 1;
  header.user = "alice";
  header.database = "shop";
  header.key = key;
  header.interval = {key, key};
  header.done = key;
  return header;
}

// Appends a record of type unit, or of unit_end when `id` is given.
inline shadow::Position AppendUnit(shadow::JournalWriter* journal, const shadow::UnitHeader& header,
                                   const std::vector<shadow::Statement>& statements,
                                   shadow::Stamp watermark, uint64_t id = 0,
                                   shadow::Position first_part = 0) {
  std::string encoded;
  for (const shadow::Statement& statement : statements)
    shadow::EncodeStatement(statement, &encoded);
  const std::string head = shadow::EncodeHeader(header);
  shadow::Record record;
  record.type = id == 0 ? shadow::RecordType::unit : shadow::RecordType::unit_end;
  record.watermark = watermark;
  record.unit_id = id;
  record.first_part = first_part;
  record.header = head;
  record.statements = encoded;
  return journal->Append(record).value();
}

inline shadow::Position AppendPart(shadow::JournalWriter* journal, uint64_t id,
                                   const std::vector<shadow::Statement>& statements,
                                   shadow::Stamp watermark) {
  std::string encoded;
  for (const shadow::Statement& statement : statements)
    shadow::EncodeStatement(statement, &encoded);
  shadow::Record record;
  record.type = shadow::RecordType::unit_part;
  record.watermark = watermark;
  record.unit_id = id;
  record.statements = encoded;
  return journal->Append(record).value();
}

inline shadow::Position AppendWatermark(shadow::JournalWriter* journal, shadow::Stamp watermark) {
  shadow::Record record;
  record.watermark = watermark;
  return journal->Append(record).value();
}

}  // namespace pgparity::support
