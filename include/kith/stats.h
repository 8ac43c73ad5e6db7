/* SPDX-License-Identifier: MIT */
/*
 * kith/stats.h: every counter a node keeps, in one table, so that `dht-cli stats`, the control
 * protocol and the metrics page can never disagree. Counters only grow. Drops name their reason.
 */
#ifndef KITH_STATS_H
#define KITH_STATS_H

#include <stdint.h>

/* X(name, help) */
#define KITH_COUNTER_MAP(X)                                                                        \
    X(rx_datagrams, "datagrams received")                                                          \
    X(rx_bytes, "bytes received")                                                                  \
    X(tx_datagrams, "datagrams sent")                                                              \
    X(tx_bytes, "bytes sent")                                                                      \
    X(tx_failed, "datagrams the system refused to send")                                           \
    X(requests_sent, "requests sent, first attempts")                                              \
    X(requests_resent, "requests sent again")                                                      \
    X(requests_timeout, "requests never answered")                                                 \
    X(responses_received, "answers matched to a request")                                          \
    X(responses_late, "answers after the soft timeout")                                            \
    X(errors_received, "error answers matched to a request")                                       \
    X(requests_served, "requests answered")                                                        \
    X(errors_sent, "requests answered with an error")                                              \
    X(handshakes_started, "initiations sent")                                                      \
    X(handshakes_completed, "initiations answered by the peer")                                    \
    X(handshakes_served, "initiations answered by us")                                             \
    X(sessions_confirmed, "initiators that proved their address")                                  \
    X(sessions_evicted, "sessions dropped to make room")                                           \
    X(sessions_roamed, "sessions that moved to a new endpoint")                                    \
    X(cookies_sent, "initiations answered with a cookie because of load")                          \
    X(cookies_received, "cookies received")                                                        \
    X(drop_empty, "datagrams without a byte or over the size limit")                               \
    X(drop_type, "datagrams of an unknown type")                                                   \
    X(drop_malformed, "datagrams or messages that do not decode")                                  \
    X(drop_source, "datagrams from port 0, a multicast or an unspecified address")                 \
    X(drop_banned, "datagrams from a banned address or key")                                       \
    X(drop_mac, "initiations whose mac1 is not for us")                                            \
    X(drop_handshake,                                                                              \
      "handshake messages that do not authenticate: other key, network or version")                \
    X(drop_replay, "replayed datagrams")                                                           \
    X(drop_session, "data for a session we do not have")                                           \
    X(drop_auth, "data that does not authenticate")                                                \
    X(drop_load, "initiations refused because of load")                                            \
    X(drop_prefix, "initiations over the share of their address prefix")                           \
    X(drop_self, "messages from our own key")                                                      \
    X(drop_unmatched, "answers that match no request")                                             \
    X(drop_early, "writes inside an initiation")                                                   \
    X(drop_amplification, "answers not sent: larger than the question of an unproven address")     \
    X(drop_answer_budget, "Mainline answers cut to the size of their question, or not sent")       \
    X(bad_ids, "Mainline answers under another node id than expected, or under ours")              \
    X(drop_outbox, "datagrams not sent: the send queue was full")                                  \
    X(bad_records, "records that did not verify or belong elsewhere")                              \
    X(bad_contacts, "contacts in answers that a peer at that address cannot mean for us")          \
    X(exchanges_refused, "peer exchanges refused: asked too often")                                \
    X(contradictions, "answers by which their sender contradicts itself")                          \
    X(records_stored, "records accepted from others")                                              \
    X(records_refused, "records refused: full, over a share, or too old")                          \
    X(records_expired, "records dropped at the end of their lifetime")                             \
    X(records_repaired, "records of others put again on the nodes nearest to them")                \
    X(gossip_sent, "changed peer records pushed to neighbours")                                    \
    X(gossip_received, "changed peer records learned from pushes")                                 \
    X(gossip_duplicates, "pushes seen before")                                                     \
    X(gossip_dropped, "pushes over the rate, unproven, or of no use")                              \
    X(table_added, "contacts that entered a routing table")                                        \
    X(table_removed, "contacts that left a routing table")                                         \
    X(walks_started, "walks started")                                                              \
    X(walks_finished, "walks finished")                                                            \
    X(lan_malformed, "LAN services whose name or TXT record is malformed")                         \
    X(lan_astray, "LAN services on interfaces or at addresses that are not admitted")              \
    X(lan_self, "LAN services that claim our own key")                                             \
    X(lan_full, "LAN services beyond a bound")                                                     \
    X(network_changes, "changes of the network, suspends and long stops that were dealt with")     \
    X(events_lost, "events dropped because the application did not take them")

struct kith_stats {
#define KITH_COUNTER_FIELD(name, help) uint64_t name;
    KITH_COUNTER_MAP(KITH_COUNTER_FIELD)
#undef KITH_COUNTER_FIELD
};

#endif
