// SQLSTATE codes that the project names (PostgreSQL manual, "PostgreSQL Error Codes").
#pragma once

#include <string_view>

namespace pgparity::protocol::sqlstate {

inline constexpr std::string_view kSuccess = "00000";
inline constexpr std::string_view kUnableToConnect =
    "08001";  // sqlclient_unable_to_establish_sqlconnection
inline constexpr std::string_view kConnectionFailure = "08006";
inline constexpr std::string_view kProtocolViolation = "08P01";
inline constexpr std::string_view kFeatureNotSupported =
    "0A000";  // also: cached plan must not change its result
inline constexpr std::string_view kCharacterNotInRepertoire = "22021";  // bytes that are no text
inline constexpr std::string_view kNotNullViolation = "23502";
inline constexpr std::string_view kForeignKeyViolation = "23503";
inline constexpr std::string_view kUniqueViolation = "23505";
inline constexpr std::string_view kCheckViolation = "23514";
inline constexpr std::string_view kInFailedTransaction = "25P02";
inline constexpr std::string_view kUndefinedPreparedStatement = "26000";
inline constexpr std::string_view kInvalidAuthorization = "28000";
inline constexpr std::string_view kInvalidPassword = "28P01";
inline constexpr std::string_view kUndefinedCursor = "34000";
inline constexpr std::string_view kSerializationFailure = "40001";
inline constexpr std::string_view kDeadlockDetected = "40P01";
inline constexpr std::string_view kInsufficientPrivilege = "42501";
inline constexpr std::string_view kSyntaxError = "42601";
inline constexpr std::string_view kDuplicateColumn = "42701";
inline constexpr std::string_view kDuplicateObject = "42710";
inline constexpr std::string_view kDuplicateSchema = "42P06";
inline constexpr std::string_view kDuplicateTable = "42P07";
inline constexpr std::string_view kUndefinedColumn = "42703";
inline constexpr std::string_view kUndefinedObject = "42704";
inline constexpr std::string_view kUndefinedTable = "42P01";
inline constexpr std::string_view kUndefinedFunction = "42883";
inline constexpr std::string_view kTooManyConnections = "53300";
inline constexpr std::string_view kLockNotAvailable = "55P03";
inline constexpr std::string_view kQueryCanceled = "57014";
inline constexpr std::string_view kAdminShutdown = "57P01";
inline constexpr std::string_view kCrashShutdown = "57P02";
inline constexpr std::string_view kCannotConnectNow = "57P03";
inline constexpr std::string_view kInternalError = "XX000";

// Five characters out of 0-9 and A-Z.
constexpr bool IsWellFormed(std::string_view code) {
  if (code.size() != 5) return false;
  for (const char c : code) {
    if ((c < '0' || c > '9') && (c < 'A' || c > 'Z')) return false;
  }
  return true;
}

// The class of a code: its first two characters.
constexpr std::string_view ClassOf(std::string_view code) { return code.substr(0, 2); }

constexpr bool IsConnectionException(std::string_view code) { return ClassOf(code) == "08"; }
constexpr bool IsIntegrityViolation(std::string_view code) { return ClassOf(code) == "23"; }
constexpr bool IsTransactionRollback(std::string_view code) { return ClassOf(code) == "40"; }
constexpr bool IsInsufficientResources(std::string_view code) { return ClassOf(code) == "53"; }
constexpr bool IsOperatorIntervention(std::string_view code) { return ClassOf(code) == "57"; }
constexpr bool IsSystemError(std::string_view code) { return ClassOf(code) == "58"; }

// What CREATE answers when the object is there already.
constexpr bool IsDuplicateDefinition(std::string_view code) {
  return code == kDuplicateColumn || code == kDuplicateObject || code == kDuplicateSchema ||
         code == kDuplicateTable || code == "42723" || code == "42P03" || code == "42P05" ||
         code == "42P04";
}

// How a statement ended by these on the primary depends on what else ran at that moment, and need
// not end the same way elsewhere: it is not compared (DESIGN, "Not compared").
constexpr bool DependsOnTheMoment(std::string_view code) {
  return code == kSerializationFailure || code == kDeadlockDetected || code == kLockNotAvailable ||
         code == kQueryCanceled || IsInsufficientResources(code);
}

}  // namespace pgparity::protocol::sqlstate
