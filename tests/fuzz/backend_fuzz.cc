// One message of a server: tag and body; then all that is read from it lazily.
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string_view>
#include <variant>

#include "protocol/backend.h"

namespace {

namespace backend = pgparity::protocol::backend;

void Walk(const backend::DataRow& row) {
  backend::RowWalker walker(row);
  std::optional<std::string_view> value;
  size_t values = 0;
  while (walker.Next(&value)) ++values;
  if (walker.ok() != (values == row.columns && walker.ok())) std::abort();
}

void Walk(const backend::ErrorResponse& error) {
  for (int code = 0; code < 256; ++code) (void)error.Get(static_cast<char>(code));
  (void)error.fatal();
}

void CheckFormats(std::string_view body) {
  for (const std::vector<int16_t>& formats : {std::vector<int16_t>{}, {1}, {0, 1, 1}}) {
    const auto made = pgparity::protocol::WithResultFormats(body, formats);
    if (!made.ok() || made->size() != body.size()) std::abort();
    if (!pgparity::protocol::DecodeBackend('T', *made).ok()) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view body(reinterpret_cast<const char*>(data + 1), size - 1);
  const auto message = pgparity::protocol::DecodeBackend(static_cast<char>(data[0]), body);
  if (!message.ok()) {
    if (data[0] == 'T' && pgparity::protocol::WithResultFormats(body, {1}).ok()) std::abort();
    return 0;
  }
  if (const auto* row = std::get_if<backend::DataRow>(&*message)) Walk(*row);
  if (const auto* error = std::get_if<backend::ErrorResponse>(&*message)) Walk(*error);
  if (std::holds_alternative<backend::RowDescription>(*message)) CheckFormats(body);
  return 0;
}
