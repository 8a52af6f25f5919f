// Unit headers and statements of the journal: a byte that chooses, and the bytes. What can be
// decoded encodes to something that decodes to the same.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "shadow/unit.h"

namespace {

using namespace pgparity::shadow;

std::string Encode(const std::vector<Statement>& statements) {
  std::string bytes;
  for (const Statement& statement : statements) EncodeStatement(statement, &bytes);
  return bytes;
}

void Statements(std::string_view bytes) {
  const auto statements = DecodeStatements(bytes);
  if (!statements.ok()) return;
  const std::string once = Encode(*statements);
  const auto again = DecodeStatements(once);
  if (!again.ok() || again->size() != statements->size() || Encode(*again) != once) std::abort();
}

void Header(std::string_view bytes) {
  const auto header = DecodeHeader(bytes);
  const auto numbers = DecodeUnitNumbers(bytes);
  if (!header.ok()) return;
  if (!numbers.ok() || numbers->key != KeyOf(*header) || numbers->ordinal != header->ordinal)
    std::abort();
  const std::string once = EncodeHeader(*header);
  const auto again = DecodeHeader(once);
  if (!again.ok() || EncodeHeader(*again) != once) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data + 1), size - 1);
  if ((data[0] & 1) == 0) {
    Statements(rest);
  } else {
    Header(rest);
  }
  return 0;
}
