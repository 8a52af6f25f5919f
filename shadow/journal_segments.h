// What the journal's writer and readers share: listing and opening segments.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "shadow/journal_format.h"

namespace pgparity::shadow {

// Start positions of the segments in `directory`, ascending.
absl::StatusOr<std::vector<Position>> ListSegments(FileSystem* files, const std::string& directory);

struct OpenSegment {
  std::string path;
  std::unique_ptr<File> file;
  SegmentHeader header;
};
// Errors of DecodeSegmentHeader name the file; DataLoss also when the header is another file's.
absl::StatusOr<OpenSegment> OpenSegmentAt(FileSystem* files, const std::string& directory,
                                          Position start);

// True when the file holds nothing but zeros from `offset` on: what a power failure leaves of a
// write that the file's size knew of and its data did not.
absl::StatusOr<bool> OnlyZerosFrom(File* file, uint64_t offset);

}  // namespace pgparity::shadow
