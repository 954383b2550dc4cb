#include "tests/reliability/failpoints.h"

namespace acclimate::reliability {
namespace {

struct Place {
  const char* what;
  FileCall call;
  const char* path;
};

constexpr Place kPlaces[] = {
    {"a write of the job store's log", FileCall::kWrite, "/jobs.sqlite-wal"},
    {"a sync of the job store's log", FileCall::kSync, "/jobs.sqlite-wal"},
    {"a write of the job store", FileCall::kWrite, "/jobs.sqlite"},
    {"a sync of the job store", FileCall::kSync, "/jobs.sqlite"},
    {"the creation of an upload", FileCall::kCreate, ".data"},
    {"the write of an upload's description", FileCall::kWrite, ".json.new"},
    {"the sync of an upload's description", FileCall::kSync, ".json.new"},
    {"the rename of an upload's description", FileCall::kRename, ".json"},
    {"a reservation of space for an upload", FileCall::kAllocate, ".data"},
    {"a write of an upload", FileCall::kWrite, ".data"},
    {"a sync of an upload", FileCall::kSync, ".data"},
    {"the removal of an upload's description", FileCall::kUnlink, ".json"},
    {"a write of a staged blob", FileCall::kWrite, "/staging/"},
    {"the sync of a staged blob", FileCall::kSync, "/staging/"},
    {"the rename that commits a blob", FileCall::kRename, "/blobs/"},
    {"the sync of a blob's folder", FileCall::kSync, "/blobs/"},
    {"the creation of a pin", FileCall::kCreate, "/pins/"},
    {"the removal of a pin", FileCall::kUnlink, "/pins/"},
    {"the sync of the pins' folder", FileCall::kSync, "/pins"},
    {"the rename that collects a blob", FileCall::kRename, "/staging/"},
    {"the removal of a collected blob", FileCall::kUnlink, "/staging/"},
};

}  // namespace

std::vector<Failpoint> Failpoints() {
  std::vector<Failpoint> failpoints;
  for (const Place& place : kPlaces) {
    for (const bool after : {false, true}) {
      failpoints.push_back({place.what, place.call, place.path, after});
    }
  }
  return failpoints;
}

}  // namespace acclimate::reliability
