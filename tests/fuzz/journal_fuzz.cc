// Journal records. Input: a byte that chooses, and bytes. Either the body of a record, framed here
// with checksums that hold, so that the decoder behind them is reached; or a whole segment behind
// its header, read by a reader and repaired by a writer.
#include <xxhash.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "shadow/journal_format.h"
// Fuzzers link no test support.
#include "tests/support/faulty_files.cc"  // NOLINT(bugprone-suspicious-include)

namespace {

using namespace pgparity;
using namespace pgparity::shadow;

std::string Little(uint32_t value) {
  std::string bytes;
  for (int shift = 0; shift < 32; shift += 8)
    bytes.push_back(static_cast<char>(value >> shift & 0xff));
  return bytes;
}

uint32_t Check(std::string_view bytes, Position position) {
  return static_cast<uint32_t>(XXH3_64bits_withSeed(bytes.data(), bytes.size(), position));
}

std::string Framed(std::string_view body, Position position) {
  const std::string length = Little(static_cast<uint32_t>(body.size()));
  return length + Little(Check(length, position)) + Little(Check(body, position)) +
         std::string(body);
}

void OneRecord(std::string_view body) {
  constexpr Position kPosition = 4711;
  const std::string bytes = Framed(body, kPosition);
  const ParsedRecord parsed = ParseRecord(bytes, kPosition);
  if (parsed.state == ParsedRecord::State::incomplete) std::abort();
  if (parsed.state != ParsedRecord::State::ok) return;
  std::string again;
  if (!EncodeRecord(parsed.record, kPosition, &again).ok() || again != bytes) std::abort();
  DecodeHeader(parsed.record.header).status().IgnoreError();
  DecodeStatements(parsed.record.statements).status().IgnoreError();
  // The same bytes elsewhere are no record.
  if (ParseRecord(bytes, kPosition + 1).state != ParsedRecord::State::bad_frame) std::abort();
}

size_t Walk(JournalReader* reader, bool* whole) {
  size_t records = 0;
  while (true) {
    const auto record = reader->Next();
    *whole = record.ok() && reader->tail() == JournalReader::Tail::clean;
    if (!record.ok() || !record->has_value()) return records;
    ++records;
  }
}

// A segment made of records, some framed well, and of raw bytes: each piece is led by its size and
// a byte that says whether it is framed.
void OneSegment(std::string_view data) {
  std::string contents;
  while (data.size() > 2) {
    const size_t size = static_cast<uint8_t>(data[0]);
    const bool framed = (data[1] & 1) != 0;
    const std::string_view piece = data.substr(2, size);
    contents += framed ? Framed(piece, contents.size()) : std::string(piece);
    data.remove_prefix(2 + piece.size());
  }
  support::FaultyFiles files;
  { (void)JournalWriter::Open("/d", {.files = &files}); }
  files.Contents("/d/journal/0000000000000000.pgj") += contents;
  bool whole = false;
  const size_t records = Walk(JournalReader::Open("/d", &files).value().get(), &whole);
  const auto writer = JournalWriter::Open("/d", {.files = &files});
  if (!writer.ok() || (*writer)->repaired().empty() != whole) std::abort();
  Record record;
  if (!(*writer)->Append(record).ok() || !(*writer)->Flush().ok()) std::abort();
  if (Walk(JournalReader::Open("/d", &files).value().get(), &whole) != records + 1 || !whole)
    std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data + 1), size - 1);
  if ((data[0] & 1) == 0) {
    OneRecord(rest);
  } else {
    OneSegment(rest);
  }
  return 0;
}
