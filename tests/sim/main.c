/* SPDX-License-Identifier: MIT */
/*
 * kith-sim: runs one scenario for one seed. The first line of its output is the command that
 * repeats the run exactly; the exit status is 0 if everything held, 1 if something did not, 2 for a
 * wrong command line, 3 if the simulation itself broke off. See docs/testing.md.
 */
#include <getopt.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/base/curve.h"
#include "sim/fast_curve.h"
#include "sim/scenario.h"
#include "sim/sim_faults.h"

static const struct kith_sim_scenario scenarios[] = {
    {"standard", kith_sim_scenario_standard, "the figures of the standard condition", 150, 100,
     10000, 100000, &kith_sim_fast_curve},
    {"join", kith_sim_scenario_join, "nodes join, then find each other: all of them", 300, 200, 0,
     0, &kith_sim_fast_curve},
    {"loss", kith_sim_scenario_loss, "the same with loss, and nodes that died unnoticed", 300, 200,
     100000, 100000, &kith_sim_fast_curve},
    {"records", kith_sim_scenario_records, "put, get, update, conflicts: the newest wins", 100, 10,
     0, 0, &kith_sim_fast_curve},
    {"topic", kith_sim_scenario_topic, "announce under topics, find by topic", 60, 0, 0, 0,
     &kith_sim_fast_curve},
    {"small", kith_sim_scenario_small, "1 to 16 nodes, with the real curve", 16, 0, 0, 0,
     &kith_curve_sodium},
    {"restart", kith_sim_scenario_restart, "nodes come back with nothing but their key", 60, 60, 0,
     0, &kith_sim_fast_curve},
    {"idle", kith_sim_scenario_idle, "what a network costs that nobody uses", 60, 0, 0, 0,
     &kith_sim_fast_curve},
    {"mainline", kith_sim_scenario_mainline, "put and get in the Mainline DHT", 300, 200, 10000,
     500000, &kith_sim_fast_curve},
    {"poison", kith_sim_scenario_poison, "a tenth of the nodes tells lies in peer exchange", 100,
     50, 0, 0, &kith_sim_fast_curve},
    {"vopr", kith_sim_scenario_vopr, "every fault at once, then none: nothing breaks, all heals",
     30, 30, 0, 0, &kith_sim_fast_curve},
    {"siege", kith_sim_scenario_siege, "few addresses tell 100,000 lies in peer exchange", 1000, 50,
     0, 0, &kith_sim_fast_curve},
    {"hostile", kith_sim_scenario_hostile, "a share of the nodes works together against the others",
     100, 100, 0, 0, &kith_sim_fast_curve},
    {"churn", kith_sim_scenario_churn, "nodes come and go; those that are there find each other",
     60, 200, 0, 0, &kith_sim_fast_curve, 300, 300},
    {"cluster", kith_sim_scenario_cluster,
     "20 nodes ground next to a record, on 1 and 27 addresses", 60, 30, 0, 0, &kith_sim_fast_curve},
    {"reflect", kith_sim_scenario_reflect, "questions of every kind in the name of a victim", 30, 0,
     0, 0, &kith_sim_fast_curve},
    {"initflood", kith_sim_scenario_initflood, "5,000 initiations a second from spoofed sources",
     30, 0, 0, 0, &kith_sim_fast_curve},
    {"cookies", kith_sim_scenario_cookies, "a cookie is shown from other addresses", 10, 0, 0, 0,
     &kith_sim_fast_curve},
    {"phantoms", kith_sim_scenario_phantoms,
     "a share names contacts that are not there, or victims", 60, 100, 0, 0, &kith_sim_fast_curve},
    {"sessions", kith_sim_scenario_sessions, "fresh keys fill the session table", 30, 0, 0, 0,
     &kith_sim_fast_curve},
    {"replay", kith_sim_scenario_replay, "what was on the wire comes again", 30, 0, 0, 0,
     &kith_sim_fast_curve},
    {"eclipse", kith_sim_scenario_eclipse,
     "newcomers are told of accomplices, and of one honest node", 60, 100, 0, 0,
     &kith_sim_fast_curve},
    {"storeflood", kith_sim_scenario_storeflood, "four hosts of a /24 store records everywhere", 40,
     80, 0, 0, &kith_sim_fast_curve},
    {"silent", kith_sim_scenario_silent, "a share of the nodes says nothing any more", 60, 100, 0,
     0, &kith_sim_fast_curve},
    {"slowloris", kith_sim_scenario_slowloris,
     "a share answers when nearly given up, and keeps handshakes half open", 60, 100, 0, 0,
     &kith_sim_fast_curve},
    {"rollback", kith_sim_scenario_rollback, "a share serves and stores old versions of records",
     80, 100, 0, 0, &kith_sim_fast_curve},
    {"misplace", kith_sim_scenario_misplace, "a share answers gets with records of other points",
     80, 100, 0, 0, &kith_sim_fast_curve},
    {"survive", kith_sim_scenario_survive, "values outlive their publishers; lookups: their number",
     40, 50, 0, 0, &kith_sim_fast_curve, 900, 2400},
    {"partition", kith_sim_scenario_partition, "two halves for an hour, then one network again", 50,
     50, 0, 0, &kith_sim_fast_curve, 0, 3600},
    {"apart", kith_sim_scenario_apart, "two networks that formed apart become one", 50, 50, 0, 0,
     &kith_sim_fast_curve, 0, 1800},
    {"regain", kith_sim_scenario_regain,
     "nodes alone, seeds that are down, many dead: all is noticed", 40, 0, 0, 400000,
     &kith_sim_fast_curve},
    {"forgers", kith_sim_scenario_forgers, "a share of the nodes forges: what is there is found",
     60, 0, 0, 0, &kith_sim_fast_curve},
    {"scarce", kith_sim_scenario_scarce, "small networks that form while allocations fail", 5, 12,
     0, 0, &kith_sim_fast_curve},
    {"greedy", kith_sim_scenario_greedy, "who asks for peers too often is answered now and then",
     30, 0, 0, 0, &kith_sim_fast_curve},
    {"onpath", kith_sim_scenario_onpath, "Mainline with somebody on the path", 40, 10, 0, 0,
     &kith_sim_fast_curve},
    {"writers", kith_sim_scenario_writers, "what acknowledgements and compare-and-swap mean", 60,
     30, 0, 500000, &kith_sim_fast_curve},
    {"expire", kith_sim_scenario_expire, "what nobody publishes any more is gone in time", 8, 0, 0,
     0, &kith_sim_fast_curve},
    {"determinism", kith_sim_scenario_determinism, "the same seed twice gives the same run", 60, 30,
     50000, 0, &kith_sim_fast_curve},
};

enum { LARGE = 1000 }; /* nodes */

enum { N_SCENARIOS = sizeof(scenarios) / sizeof(scenarios[0]) };

struct command_line {
    const struct kith_sim_scenario *scenario;
    struct kith_sim_options options;
    bool json;
    bool twice;
};

/* ---- command line ---- */

static void print_usage(FILE *out) {
    fputs("usage: kith-sim [OPTION]... SCENARIO\n\n"
          "  --seed N          [1] decides everything\n"
          "  --nodes N         size of the network\n"
          "  --lookups N       lookups and walks, or rounds\n"
          "  --loss P          0..1, of datagrams, each way\n"
          "  --dead P          0..1, of nodes, killed before the lookups\n"
          "  --hostile P       0..1, of nodes, in scenarios that have such\n"
          "  --duplicate P     0..1, of datagrams\n"
          "  --reorder P       0..1, of datagrams\n"
          "  --join-rate N     nodes that join in a second\n"
          "  --session S       mean session in seconds, where nodes come and go\n"
          "  --weibull         of shape 1/2, not exponential\n"
          "  --duration S      of the measurement, in virtual seconds\n"
          "  --warm            standard: nodes begin with the tables they would come to have\n"
          "  --curve fast|sodium\n"
          "  --json            the summary as one JSON object\n"
          "  --without F,G..   vopr: none of these faults\n"
          "  --twice           run twice, expect the same trace\n"
          "  --trace-lookup N  print the N-th operation as it goes, hop by hop\n\n"
          "scenarios, with nodes and lookups where the command line says nothing:\n",
          out);
    for (size_t i = 0; i < N_SCENARIOS; i++) {
        fprintf(out, "  %-12s %5u %5u  %s\n", scenarios[i].name, scenarios[i].nodes,
                scenarios[i].lookups, scenarios[i].help);
    }
}

static _Noreturn void usage_error(const char *what, const char *value) {
    fprintf(stderr, "kith-sim: %s: %s (see --help)\n", what, value);
    exit(2);
}

static uint64_t parse_number(const char *text, uint64_t min, uint64_t max) {
    char *end;
    unsigned long long value = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || value < min || value > max) {
        usage_error("not a number in range", text);
    }
    return value;
}

static uint32_t parse_share(const char *text) {
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || !(value >= 0 && value <= 1)) {
        usage_error("not a share between 0 and 1", text);
    }
    return (uint32_t)(value * KITH_SIM_PPM + 0.5);
}

static const struct kith_curve *parse_curve(const char *text) {
    if (strcmp(text, "fast") == 0) {
        return &kith_sim_fast_curve;
    }
    if (strcmp(text, "sodium") == 0) {
        return &kith_curve_sodium;
    }
    usage_error("no such curve", text);
}

static const struct kith_sim_scenario *parse_scenario(const char *text) {
    for (size_t i = 0; i < N_SCENARIOS; i++) {
        if (strcmp(scenarios[i].name, text) == 0) {
            return &scenarios[i];
        }
    }
    usage_error("no such scenario", text);
}

static void apply_option(struct command_line *line, int option, const char *value) {
    struct kith_sim_options *options = &line->options;
    switch (option) {
    case 's':
        options->seed = parse_number(value, 0, UINT64_MAX);
        break;
    case 'n':
        options->nodes = (uint32_t)parse_number(value, 2, 1000000);
        break;
    case 'l':
        options->lookups = (uint32_t)parse_number(value, 0, 1000000);
        break;
    case 'p':
        options->loss_ppm = parse_share(value);
        break;
    case 'd':
        options->dead_ppm = parse_share(value);
        break;
    case 'H':
        options->hostile_ppm = parse_share(value);
        break;
    case 'u':
        options->duplicate_ppm = parse_share(value);
        break;
    case 'r':
        options->reorder_ppm = parse_share(value);
        break;
    case 'a':
        options->join_per_s = (uint32_t)parse_number(value, 1, 1000000);
        break;
    case 'm':
        options->warm = true;
        break;
    case 'c':
        options->curve = parse_curve(value);
        break;
    case 'W':
        if (!kith_sim_fault_known(value)) {
            usage_error("no such fault", value);
        }
        options->without = value;
        break;
    case 'T':
        line->twice = true;
        break;
    case 't':
        options->shown = parse_number(value, 1, UINT64_MAX);
        break;
    case 'e':
        options->session_s = (uint32_t)parse_number(value, 10, 10000000);
        break;
    case 'w':
        options->weibull = true;
        break;
    case 'D':
        options->duration_s = (uint32_t)parse_number(value, 1, 10000000);
        break;
    case 'j':
        line->json = true;
        break;
    case 'h':
        print_usage(stdout);
        exit(0);
    default:
        exit(2); /* getopt has said what is wrong */
    }
}

static const struct option long_options[] = {
    {"seed", required_argument, NULL, 's'},
    {"nodes", required_argument, NULL, 'n'},
    {"lookups", required_argument, NULL, 'l'},
    {"loss", required_argument, NULL, 'p'},
    {"dead", required_argument, NULL, 'd'},
    {"hostile", required_argument, NULL, 'H'},
    {"duplicate", required_argument, NULL, 'u'},
    {"reorder", required_argument, NULL, 'r'},
    {"join-rate", required_argument, NULL, 'a'},
    {"warm", no_argument, NULL, 'm'},
    {"curve", required_argument, NULL, 'c'},
    {"json", no_argument, NULL, 'j'},
    {"trace-lookup", required_argument, NULL, 't'},
    {"session", required_argument, NULL, 'e'},
    {"weibull", no_argument, NULL, 'w'},
    {"duration", required_argument, NULL, 'D'},
    {"without", required_argument, NULL, 'W'},
    {"twice", no_argument, NULL, 'T'},
    {"help", no_argument, NULL, 'h'},
    {0},
};

/* The scenario's name comes last, its defaults first: so the options are read twice. */
static void parse_command_line(struct command_line *line, int argc, char **argv) {
    int option;
    while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        apply_option(line, option, optarg);
    }
    if (optind + 1 != argc) {
        print_usage(stderr);
        exit(2);
    }
    const struct kith_sim_scenario *scenario = parse_scenario(argv[optind]);
    *line = (struct command_line){.scenario = scenario,
                                  .options = {.seed = 1,
                                              .nodes = scenario->nodes,
                                              .lookups = scenario->lookups,
                                              .loss_ppm = scenario->loss_ppm,
                                              .dead_ppm = scenario->dead_ppm,
                                              .hostile_ppm = KITH_SIM_HOSTILE_PPM,
                                              .curve = scenario->curve,
                                              .session_s = scenario->session_s,
                                              .duration_s = scenario->duration_s}};
    optind = 1;
    while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        apply_option(line, option, optarg);
    }
}

static void print_replay(const struct command_line *line, FILE *out) {
    const struct kith_sim_options *o = &line->options;
    fprintf(out, "replay: kith-sim --seed %llu --nodes %u --lookups %u --loss %g --dead %g",
            (unsigned long long)o->seed, o->nodes, o->lookups, (double)o->loss_ppm / KITH_SIM_PPM,
            (double)o->dead_ppm / KITH_SIM_PPM);
    if (o->duplicate_ppm != 0 || o->reorder_ppm != 0) {
        fprintf(out, " --duplicate %g --reorder %g", (double)o->duplicate_ppm / KITH_SIM_PPM,
                (double)o->reorder_ppm / KITH_SIM_PPM);
    }
    if (o->hostile_ppm != KITH_SIM_HOSTILE_PPM) {
        fprintf(out, " --hostile %g", (double)o->hostile_ppm / KITH_SIM_PPM);
    }
    if (o->warm) {
        fputs(" --warm", out);
    }
    if (o->join_per_s != 0) {
        fprintf(out, " --join-rate %u", o->join_per_s);
    }
    if (o->session_s != 0) {
        fprintf(out, " --session %u%s", o->session_s, o->weibull ? " --weibull" : "");
    }
    if (o->duration_s != 0) {
        fprintf(out, " --duration %u", o->duration_s);
    }
    if (o->without != NULL) {
        fprintf(out, " --without %s", o->without);
    }
    fprintf(out, " --curve %s %s\n", o->curve == &kith_curve_sodium ? "sodium" : "fast",
            line->scenario->name);
    fflush(out);
}

/* ---- outcome ---- */

bool kith_sim_expect(struct kith_sim_run *run, bool holds, const char *format, ...) {
    enum { PRINTED_MAX = 20 };
    if (holds) {
        return true;
    }
    if (run->n_failures++ < PRINTED_MAX) {
        va_list args;
        va_start(args, format);
        fputs("FAILED: ", stderr);
        vfprintf(stderr, format, args);
        fputc('\n', stderr);
        va_end(args);
    }
    return false;
}

static void report_amplification(struct kith_sim_report *report, const struct kith_sim_run *run) {
    const struct kith_sim_amplification *kith = &run->amplification[KITH_SIM_WIRE_KITH];
    const struct kith_sim_amplification *mainline = &run->amplification[KITH_SIM_WIRE_MAINLINE];
    kith_sim_report_number(report, "amplification_withheld", (double)run->stats.drop_amplification,
                           0);
    if (kith->n_questions != 0) {
        kith_sim_report_number(report, "amplification_kith_bytes", kith_sim_amplify_ratio(kith), 3);
        kith_sim_report_number(report, "amplification_kith_datagrams", (double)kith->n_out, 0);
    }
    if (mainline->n_questions != 0) {
        kith_sim_report_number(report, "amplification_mainline_bytes",
                               kith_sim_amplify_ratio(mainline), 3);
        kith_sim_report_number(report, "amplification_mainline_datagrams", (double)mainline->n_out,
                               0);
    }
}

static void report_totals(struct kith_sim_run *run, double wall_s) {
    struct kith_sim_report *report = &run->report;
    double virtual_s = (double)run->virtual_ns / 1e9;
    char trace[33];
    kith_sim_trace_text(&run->trace, trace);
    kith_sim_report_number(report, "nodes", run->nodes_max, 0);
    kith_sim_report_number(report, "virtual_s", virtual_s, 1);
    kith_sim_report_number(report, "wall_s", wall_s, 2);
    kith_sim_report_number(report, "virtual_per_wall", wall_s > 0 ? virtual_s / wall_s : 0, 1);
    kith_sim_report_number(report, "datagrams_delivered", (double)run->delivered, 0);
    kith_sim_report_number(report, "datagrams_lost", (double)run->lost, 0);
    kith_sim_report_number(report, "tx_bytes", (double)run->stats.tx_bytes, 0);
    if (run->bytes_per_node != 0) {
        kith_sim_report_number(report, "bytes_per_node", (double)run->bytes_per_node, 0);
    }
#define REPORT(name, help)                                                                         \
    if (strncmp(#name, "drop_", 5) == 0 && run->stats.name != 0) {                                 \
        kith_sim_report_number(report, #name, (double)run->stats.name, 0);                         \
    }
    KITH_COUNTER_MAP(REPORT)
#undef REPORT
    report_amplification(report, run);
    kith_sim_report_number(report, "failures", run->n_failures, 0);
    kith_sim_report_text(report, "trace", trace);
}

/* The same again: anything that it depends on besides the seed shows here. */
static void expect_same(const struct command_line *line, struct kith_sim_run *run) {
    struct kith_sim_run again = {.options = line->options};
    char traces[2][33];
    kith_sim_trace_init(&again.trace);
    line->scenario->fn(&again);
    kith_sim_trace_text(&run->trace, traces[0]);
    kith_sim_trace_text(&again.trace, traces[1]);
    kith_sim_expect(run, strcmp(traces[0], traces[1]) == 0, "traces %s and %s of one seed",
                    traces[0], traces[1]);
}

static double wall_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* A large network is gigabytes of small objects: with huge pages a datagram takes a fifth less
 * time. glibc (from 2.35 on) takes this from the environment when a program starts, and not later.
 */
static void use_huge_pages(char **argv) {
    if (getenv("GLIBC_TUNABLES") == NULL &&
        setenv("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1", 1) == 0) {
        (void)execv("/proc/self/exe", argv); /* if it cannot, it is slower */
    }
}

int main(int argc, char **argv) {
    struct command_line line = {0};
    parse_command_line(&line, argc, argv);
    if (line.options.nodes >= LARGE) {
        use_huge_pages(argv);
    }
    if (sodium_init() < 0) {
        fputs("kith-sim: libsodium does not start\n", stderr);
        return 3;
    }
    /* With --json, stdout is the object and nothing else. */
    print_replay(&line, line.json ? stderr : stdout);
    struct kith_sim_run run = {.options = line.options};
    kith_sim_trace_init(&run.trace);
    double start = wall_seconds();
    line.scenario->fn(&run);
    if (line.twice) {
        expect_same(&line, &run);
    }
    report_totals(&run, wall_seconds() - start);
    kith_sim_report_print(&run.report, line.json);
    if (run.n_failures > 0) {
        fflush(stdout);
        fprintf(stderr, "%u expectations failed\n", run.n_failures);
        print_replay(&line, stderr);
        return 1;
    }
    return 0;
}
