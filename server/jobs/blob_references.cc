#include "server/jobs/blob_references.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "server/base/resource_names.h"
#include "server/jobs/stored_message.h"

namespace acclimate::jobs {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// What a reference comes from, as it is stored.
enum Origin : int64_t { kSpec = 0, kTrainingState = 1, kEvent = 2 };

void AddIfBlob(const std::string& text, const std::string& tenant, std::set<std::string>& digests) {
  absl::StatusOr<ResourceName> blob = ParseBlobName(text);
  if (blob.ok() && blob->tenant == tenant) digests.insert(std::move(blob->id));
}

void Collect(const Message& message, const std::string& tenant, std::set<std::string>& digests) {
  const Reflection& reflection = *message.GetReflection();
  std::vector<const FieldDescriptor*> fields;  // those that are set
  reflection.ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    const bool text = field->type() == FieldDescriptor::TYPE_STRING;
    if (!text && field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) continue;
    const int size = field->is_repeated() ? reflection.FieldSize(message, field) : 1;
    for (int i = 0; i < size; ++i) {
      if (text) {
        AddIfBlob(field->is_repeated() ? reflection.GetRepeatedString(message, field, i)
                                       : reflection.GetString(message, field),
                  tenant, digests);
      } else {
        Collect(field->is_repeated() ? reflection.GetRepeatedMessage(message, field, i)
                                     : reflection.GetMessage(message, field),
                tenant, digests);
      }
    }
  }
}

absl::Status Insert(Connection& connection, int64_t sequence, const std::string& tenant,
                    Origin origin, const std::set<std::string>& digests) {
  for (const std::string& sha256 : digests) {
    Statement statement = connection.Prepare(
        "INSERT OR IGNORE INTO blob_references (sequence, origin, sha256, tenant) "
        "VALUES (?, ?, ?, ?)");
    statement.Bind(sequence).Bind(int64_t{origin}).Bind(sha256).Bind(tenant);
    if (absl::Status status = statement.Run(); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status DropTrainingStates(Connection& connection, int64_t sequence) {
  Statement statement =
      connection.Prepare("DELETE FROM blob_references WHERE sequence = ? AND origin = ?");
  statement.Bind(sequence).Bind(int64_t{kTrainingState});
  return statement.Run();
}

absl::Status AddReferencesOf(Connection& connection, int64_t sequence, const v1::Job& job) {
  if (absl::Status status = AddSpecReferences(connection, sequence, job); !status.ok()) {
    return status;
  }
  Statement events =
      connection.Prepare("SELECT proto FROM events WHERE sequence = ? ORDER BY cursor");
  events.Bind(sequence);
  while (true) {
    absl::StatusOr<bool> more = events.Step();
    if (!more.ok()) return more.status();
    if (!*more) return absl::OkStatus();
    v1::JobEvent event;
    if (!FromStored(events.Bytes(0), event)) {
      return absl::DataLossError(absl::StrCat("an event of ", job.name(), " cannot be read"));
    }
    absl::Status status = AddEventReferences(connection, sequence, job, event);
    if (!status.ok()) return status;
  }
}

}  // namespace

std::set<std::string> BlobsNamedIn(const Message& message, const std::string& tenant) {
  std::set<std::string> digests;
  Collect(message, tenant, digests);
  return digests;
}

absl::Status AddSpecReferences(Connection& connection, int64_t sequence, const v1::Job& job) {
  const std::string tenant = TenantOfJob(job.name());
  return Insert(connection, sequence, tenant, kSpec, BlobsNamedIn(job.spec(), tenant));
}

absl::Status AddEventReferences(Connection& connection, int64_t sequence, const v1::Job& job,
                                const v1::JobEvent& event) {
  // By far the most events, and they name none.
  if (event.has_progress()) return absl::OkStatus();
  const std::string tenant = TenantOfJob(job.name());
  if (event.has_checkpoint() || event.has_result()) {
    if (absl::Status status = DropTrainingStates(connection, sequence); !status.ok()) return status;
  }
  return Insert(connection, sequence, tenant, event.has_checkpoint() ? kTrainingState : kEvent,
                BlobsNamedIn(event, tenant));
}

absl::StatusOr<bool> IsReferenced(Connection& connection, const std::string& tenant,
                                  const std::string& sha256) {
  Statement statement =
      connection.Prepare("SELECT 1 FROM blob_references WHERE tenant = ? AND sha256 = ? LIMIT 1");
  statement.Bind(tenant).Bind(sha256);
  return statement.Step();
}

absl::Status AddAllReferences(Connection& connection) {
  Statement jobs = connection.Prepare("SELECT sequence, proto FROM jobs");
  while (true) {
    absl::StatusOr<bool> more = jobs.Step();
    if (!more.ok()) return more.status();
    if (!*more) return absl::OkStatus();
    v1::Job job;
    if (!FromStored(jobs.Bytes(1), job)) {
      return absl::DataLossError(absl::StrCat("job ", jobs.Integer(0), " cannot be read"));
    }
    absl::Status status = AddReferencesOf(connection, jobs.Integer(0), job);
    if (!status.ok()) return status;
  }
}

}  // namespace acclimate::jobs
