// SQL text behind a byte that says whether strings conform to the standard. The statements lie in
// the text one behind the other, and splitting a statement again gives itself.
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "protocol/sql_lexer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace pgparity::protocol;
  if (size == 0) return 0;
  const std::string_view sql(reinterpret_cast<const char*>(data + 1), size - 1);
  const bool standard = (data[0] & 1) != 0;
  const char* end = sql.data();
  for (const std::string_view statement : SplitStatements(sql, standard)) {
    if (statement.empty() || statement.data() < end) std::abort();
    end = statement.data() + statement.size();
    if (end > sql.data() + sql.size()) std::abort();
    const std::vector<std::string_view> again = SplitStatements(statement, standard);
    if (again.size() != 1 || again[0] != statement) std::abort();
    (void)ClassifyTransactionCommand(statement);
    (void)ClassifyPreparedStatementCommand(statement, standard);
    (void)FirstKeyword(statement);
  }
  return 0;
}
