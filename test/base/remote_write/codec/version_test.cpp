// SPDX-License-Identifier: Apache-2.0
#include "base/remote_write/codec/version.h"

#include "test/support/catch.h"

using namespace outrider::remote_write;

TEST_CASE("a request's headers tell its version") {
  CHECK(*negotiate("", "") == Version::v1);
  CHECK(*negotiate("application/x-protobuf", "Snappy") == Version::v1);
  CHECK(*negotiate("application/x-protobuf ; a=b; Proto=prometheus.WriteRequest", "") ==
        Version::v1);
  CHECK(*negotiate("application/x-protobuf;proto=io.prometheus.write.v2.Request", "") ==
        Version::v2);
  CHECK(negotiate("application/x-protobuf;proto=v3", "").error().code ==
        "unsupported_content_type");
  CHECK(negotiate("application/json", "").error().code == "unsupported_content_type");
  CHECK(negotiate("application/x-protobuf", "gzip").error().code == "unsupported_content_encoding");
}

TEST_CASE("what a sender announces is what a receiver reads") {
  for (const Version version : {Version::v1, Version::v2})
    CHECK(negotiate(content_type(version), "snappy") == version);
}
