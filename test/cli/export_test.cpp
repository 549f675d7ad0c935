// SPDX-License-Identifier: Apache-2.0
#include "cli/export/export_csv.h"
#include "cli/export/export_state.h"
#include "test/support/catch.h"

namespace outrider::cli {
namespace {

TEST_CASE("an export's rows have the same columns, whatever each of them has") {
  CHECK(export_csv_header({"size"}) ==
        "id,time,cluster,namespace,workload,model,version,prediction,score,segment,label,"
        "label_time,labelled_at,feature_size\n");
  const auto csv = export_csv(
      R"({"id":"a","time":"t","model":"m, 1","version":"v","prediction":1.5,"features":{"size":null}})"
      "\n"
      R"({"id":"b","time":"t","model":"m","version":"v","prediction":"no","label":"ye\"s","features":{"size":7}})"
      "\n",
      {"size"});
  REQUIRE(csv);
  CHECK(*csv ==
        "a,t,,,,\"m, 1\",v,1.5,,,,,,\n"
        "b,t,,,,m,v,no,,,\"ye\"\"s\",,,7\n");
  CHECK(export_csv("[]\n", {}).error().code == "bad_answer");
}

TEST_CASE("an export is gone on with by the same call alone") {
  ExportSubject subject;
  subject.url = "http://agent:9510";
  subject.from = "2026-01-01T00:00:00Z";
  const ExportProgress progress{.cursor = "17", .rows = 3, .bytes = 400};
  const std::string text = encode_state(subject, progress);
  CHECK(decode_state(text, subject).value() == progress);
  subject.model = "other";
  const auto other = decode_state(text, subject);
  REQUIRE_FALSE(other);
  CHECK(other.error().code == "other_export");
  CHECK(other.error().message.find("--model was \"\", now it is \"other\"") != std::string::npos);
  CHECK(decode_state("{}", subject).error().code == "bad_state");
  CHECK(decode_state(R"({"format":"outrider export 1","export":{}})", subject).error().code ==
        "other_export");
}

}  // namespace
}  // namespace outrider::cli
