// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which partition of a topic a key belongs to, as Kafka's Java clients compute it. PURE.

#include <cstdint>
#include <string_view>

namespace outrider::kafka {

// MurmurHash2, 32 bits, with the seed of org.apache.kafka.common.utils.Utils.murmur2.
std::uint32_t murmur2(std::string_view bytes);

// Of the default partitioner of Java's producer, for a key that is there. `count` is more than 0.
std::int32_t partition_of(std::string_view key, std::int32_t count);

}  // namespace outrider::kafka
