// SQL identifiers: quoting, and reading them back.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgparity::shadow {

// In double quotes unless it is a plain lower-case word that is no keyword.
std::string QuoteIdentifier(std::string_view name);
std::string QuoteQualified(std::string_view schema, std::string_view name);

// "public.\"Order\"" -> {"public", "Order"}, as regclass reads it; nullopt if it is not one to
// three names.
std::optional<std::vector<std::string>> ParseQualifiedName(std::string_view text);

}  // namespace pgparity::shadow
