/* api/wire.h - the management API's paths and words, shared by the server (api/) and poolctl (cli/).
 * Everything is under /api/v1 on the front port and on api.sock. JSON in and out; errors are
 * problem+json (RFC 9457): {"type":"urn:poold:error:no-project","title":MEANING,"status":404,
 * "detail":TEXT,"code":"no-project"} where code is the name in ERR_LIST.
 *
 * POST, PUT and DELETE need `Content-Type: application/json`; the body may be empty. Members that are
 * not named here are refused. docs/api.md is printed from the table in api/routes.c.
 *
 * {key} is a project key, {server} a server's name. PATH is an absolute path in the client's view.
 *
 *   POST   /ensure            {"path":PATH | "project":KEY, "server"?, "waitMs"? (default startWait),
 *                             "noWait"?, "trust"?, "warm"?, "force"?}
 *                             -> 200 DAEMON (ready; or as it is with noWait). With
 *                             `Accept: application/x-ndjson`: lines {"step":"spawned","ms":120} ... and a
 *                             last line {"daemon":DAEMON} or {"problem":PROBLEM}
 *   GET    /endpoint?path=PATH&server=   -> {"project","projectKey","server","url","directUrl","state","how"}; starts nothing
 *   GET    /why?path=PATH | ?pid=N &server=  -> how a request from there would be routed (rule, project, how,
 *                             marker, the steps tried) and argv, cwd, environment a daemon would start with
 *   GET    /projects          -> [PROJECT]        {"project","projectKey","trusted","firstUsedAt","lastUsedAt","daemons":[...]}
 *   DELETE /projects/{key}    forget: stops its daemons, drops what is remembered
 *   POST   /trust             {"path":PATH|"project":KEY,"trusted":true|false} -> PROJECT
 *   GET    /daemons           -> [DAEMON]
 *   GET    /daemons/{key}/{server}          -> DAEMON with "clients" and "lastExits"
 *   POST   /daemons/{key}/{server}/stop     {"now"?:bool} -> 200 DAEMON when it is down
 *   POST   /daemons/{key}/{server}/restart  -> 200 DAEMON when ready
 *   POST   /daemons/{key}/{server}/evict    {} like stop, but refused (CONFLICT) while busy or pinned
 *   POST   /daemons/{key}/{server}/pin      {"pinned":bool} -> DAEMON
 *   POST   /stop              {} all daemons -> {"stopped":N}
 *   GET    /logs?project=KEY&server=&lines=N&follow=1   -> text/plain
 *   GET    /history?project=KEY&limit=N      -> [{"at","project","projectKey","server","daemonId","event","reason","detail","tookMs"}]
 *   GET    /settings          -> {"file","fileExists","loadedAt","settings":{name:{value,default,unit,min,max,help}},"mcpServers":{...},"warnings":[]}
 *   POST   /reload            -> {"file","warnings"} or 422 with the mistake
 *   GET    /health            -> {"status":"ok","pid","uptimeMs","daemons":{state:count},"sessions","registry":"ok|failed","orphans":N}
 *   GET    /version           -> {"version","api":"v1","pid","startedAt","configFile","stateDir","runDir","listen"}
 *   POST   /shutdown          {"keepDaemons"?:bool} -> 202; then poold ends cleanly
 *
 * DAEMON: project projectKey server state health{process accepts mcp useful cause} daemonId generation pid keeperPid port
 *   url directUrl sessions inFlight memoryBytes cpuMs idleMs evictInMs evictWhy startedAt readyAt reason detail tail retryInMs pinned trusted
 *   transport step steps{...Ms} starts usualStartMs logFile  (names and meanings fixed by DESIGN section 9 where it has them) */
#pragma once

#define API_PREFIX "/api/v1"

/* What the front adds to a relayed request (and strips from clients): "uid=1000;pid=4711", pid 0 =
 * unknown. */
#define API_PEER_HEADER "X-Poold-Peer"

#define API_JSON "application/json"
#define API_PROBLEM_JSON "application/problem+json"
#define API_NDJSON "application/x-ndjson"
