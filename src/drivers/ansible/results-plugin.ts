/** The name of the callback plugin, and of its file. */
export const PLUGIN = 'standby_results'

/**
 * A callback plugin of Ansible that writes the result of each task on each host as a line of JSON to `STANDBY_RESULTS`;
 * `parse-results.ts` reads them. ansible-core brings no callback that does so beside its output for people: `json` and
 * `jsonl` are in the collection ansible.posix, and replace that output.
 *
 * A line holds no variable and no argument of a task, nothing of a task with `no_log`, and of the content of files
 * only hashes, unless `STANDBY_SHOWS_CONTENT` is `yes`. When the playbook begins, Ansible has read the files of
 * `STANDBY_REMOVE`, one a line, and they are removed.
 */
export const PLUGIN_SOURCE = `# Writes what Ansible did, host by host and task by task, as lines of JSON.
import hashlib
import json
import os

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: standby_results
type: notification
short_description: writes results as lines of JSON
description: Each line is one result. It holds no variable and no argument of a task.
"""
LONGEST = 2000
# Of files, units and packages: none of them is a secret.
ATTRIBUTES = {"path", "state", "mode", "owner", "group", "src", "enabled", "name", "version"}


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "standby_results"

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        path = os.environ["STANDBY_RESULTS"]
        self.out = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "w", encoding="utf-8")
        self.shows = os.environ.get("STANDBY_SHOWS_CONTENT") == "yes"

    def say(self, **line):
        self.out.write(json.dumps(line) + "\\n")
        self.out.flush()

    def v2_playbook_on_start(self, playbook):
        # Extra variables and vault passwords are in memory by now.
        for path in filter(None, os.environ.get("STANDBY_REMOVE", "").split("\\n")):
            if os.path.exists(path):
                os.unlink(path)
        self.say(event="start")

    def v2_runner_on_ok(self, result):
        self.tell("ok", result)

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self.tell("failed", result, ignored=bool(ignore_errors))

    def v2_runner_on_unreachable(self, result):
        self.tell("unreachable", result)

    def v2_runner_on_skipped(self, result):
        self.tell("skipped", result)

    def v2_playbook_on_no_hosts_matched(self):
        self.say(event="no-hosts")

    def v2_playbook_on_stats(self, stats):
        hosts = sorted(stats.processed)
        self.say(event="stats", hosts={host: stats.summarize(host) for host in hosts})

    def tell(self, event, result, **more):
        task = result._task
        data = result._result if isinstance(result._result, dict) else {}
        hidden = "censored" in data or bool(data.get("_ansible_no_log")) or bool(task.no_log)
        line = dict(
            event=event,
            host=result._host.get_name(),
            task=task.get_name(),
            action=task.action,
            changed=bool(data.get("changed")),
            hidden=hidden,
            **more
        )
        if not hidden:
            line["msg"] = self.words(data, event)
            line["diff"] = [part for one in self.results(data) for part in self.parts(one)]
        line["unchecked"] = any(self.is_unchecked(one) for one in self.results(data))
        self.say(**line)

    @staticmethod
    def results(data):
        items = data.get("results")
        if isinstance(items, list) and items and all(isinstance(one, dict) for one in items):
            return items
        return [data]

    @staticmethod
    def is_unchecked(one):
        said = str(one.get("msg", ""))
        return "does not support check mode" in said or "would have run if not in check mode" in said

    def words(self, data, event):
        said = [data] if event == "unreachable" else [one for one in self.results(data) if one.get("failed")] or [data]
        texts = []
        for one in said:
            for key in ("msg", "stderr", "module_stderr"):
                text = str(one.get(key) or "").strip()
                if text and text not in texts:
                    texts.append(text)
        return ": ".join(texts)[:LONGEST]

    def parts(self, one):
        diffs = one.get("diff") or []
        for diff in diffs if isinstance(diffs, list) else [diffs]:
            if not isinstance(diff, dict):
                continue
            yield {
                "path": self.path_of(one, diff),
                "before": self.content(diff.get("before")),
                "after": self.content(diff.get("after")),
                "prepared": self.content(diff.get("prepared")),
            }

    @staticmethod
    def path_of(one, diff):
        after = diff.get("after")
        known = [one.get("dest"), one.get("path"), diff.get("before_header"), diff.get("after_header")]
        if isinstance(after, dict):
            known.insert(0, after.get("path"))
        # The header of a new file is the rendered template, in a folder of Ansible.
        named = [str(path) for path in known if path and "/ansible-local-" not in str(path)]
        return named[0] if named else None

    def content(self, value):
        if value is None:
            return None
        if isinstance(value, dict):
            return {str(key): one if key in ATTRIBUTES else self.content(one) for key, one in value.items()}
        text = str(value)
        if self.shows or text == "":
            return text[:LONGEST]
        return "sha256:" + hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:12]
`
