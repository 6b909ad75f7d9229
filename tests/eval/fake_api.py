"""An API in memory that speaks the wire format of the real one over the synthetic catalogue.

It understands just enough to follow the test scripts, and makes one chosen mistake on request.
"""

import json
import re
import uuid

import httpx

from recsys_core.catalog.filters import ItemFilter


class FakeApi:
    def __init__(self, catalogue, mistake=""):
        self.catalogue = catalogue
        self.mistake = mistake
        self.threads = {}
        self.thumbs = {}
        self.deleted = []
        self.items = [catalogue.item(i) for i in range(len(catalogue))]

    def transport(self):
        return httpx.MockTransport(self.handle)

    def handle(self, request):
        path, method = request.url.path, request.method
        if path == "/v1/info":
            fields = [spec.model_dump(mode="json") for spec in self.catalogue.fields.values()]
            return httpx.Response(200, json={"release": "r1", "fields": fields, "llm": {"name": "none"}})
        if path == "/v1/items/search":
            words = set(request.url.params["q"].casefold().split())
            found = [i for i in self.items if words & set(i.title.casefold().split())]
            return httpx.Response(200, json=[i.model_dump(mode="json") for i in found[: int(request.url.params["k"])]])
        if path.startswith("/v1/items/"):
            found = [i for i in self.items if i.id == path.rsplit("/", 1)[1]]
            if not found:
                return error(404, "unknown_item", "no such item")
            return httpx.Response(200, json=found[0].model_dump(mode="json"))
        if path.endswith("/profile"):
            known = path.split("/")[3] == "u1"
            return httpx.Response(200, json={"interactions": 5 if known else 0, "text": "", "liked": []})
        if path == "/v1/feedback":
            body = json.loads(request.content)
            self.thumbs[body["user_id"], body["item_id"]] = body["value"]
            return httpx.Response(200, json={})
        if path.startswith("/v1/threads/") and method == "DELETE":
            self.deleted.append(path.rsplit("/", 1)[1])
            return httpx.Response(200, json={})
        if path == "/v1/chat/completions":
            return self.chat(json.loads(request.content))
        return error(404, "not_found", path)

    def chat(self, body):
        message = body["messages"][-1]["content"]
        if len(message) > 1_000:
            return error(413, "too_long", "at most 1,000 characters")
        thread = body.get("thread_id") or uuid.uuid4().hex
        state = self.threads.setdefault(thread, {"slate": [], "genre": None})
        events = [{"sidra": {"user": body["user"], "thread_id": thread, "turn": 1, "release": "r1"}}]
        events.append({"step": {"node": "understand", "status": "end", "ms": 1.0, "detail": ""}})
        understood = {"act": "recommend", "fresh": True}
        why = re.search(r"why (\d)", message)
        if why:
            slot = int(why[1]) - (self.mistake == "wrong_slot")
            text = f"{state['slate'][slot - 1]['title']} fits."
            told = state["slate"][int(why[1]) - 1]
            understood = {"act": "why", "items": [{"item_id": told["item_id"], "title": told["title"]}]}
        else:
            cards = self.pick(message, body, state)
            state["slate"] = cards
            if state["genre"]:
                understood["wishes"] = [{"field": "genre", "values": [state["genre"]], "words": state["genre"]}]
            events.append({"slate": cards, "slate_final": True, "slate_note": ""})
            text = "Here you are." if cards else "Nothing fits."
        if self.mistake == "foreign_title":
            other = next(i for i in self.items if i.title not in {c["title"] for c in state["slate"]})
            text += f" You may also like {other.title}."
        if self.mistake == "foreign_number":
            text += " It runs 4711 minutes."
        events.append({"delta": {"content": text}})
        release = "r2" if self.mistake == "release" else "r1"
        end = {"user": body["user"], "thread_id": thread, "release": release, "degraded": False}
        end |= {"exhausted": not state["slate"], "cold_start": body["user"] != "u1"}
        if self.mistake != "mute":
            end["understood"] = understood
        if self.mistake != "no_end":
            events.append({"sidra": end, "finish": "stop"})
        return httpx.Response(200, text="".join(map(chunk, events)) + "data: [DONE]\n\n")

    def pick(self, message, body, state):
        found = re.search(r"genre (\w+)", message)
        state["genre"] = found[1] if found else state["genre"]
        rule = ItemFilter.model_validate(body["filter"]) if body.get("filter") else ItemFilter()
        allowed = rule.mask(self.catalogue) if self.mistake != "filter" else [True] * len(self.items)
        down = {i for (user, i), value in self.thumbs.items() if user == body["user"] and value < 0}
        cards = []
        for item, fits in zip(self.items, allowed, strict=True):
            wanted = state["genre"] is None or state["genre"] in item.attributes["genre"]
            if self.mistake == "genre":
                wanted = True
            if fits and wanted and (item.id not in down or self.mistake == "thumbs") and len(cards) < body["k"]:
                facts = {n: item.attributes[n] for n in ("genre", "year") if n in item.attributes}
                if self.mistake == "facts":
                    facts["year"] = 1234
                cards.append({"slot": len(cards) + 1, "item_id": item.id, "title": item.title, "facts": facts})
        if self.mistake == "unique" and len(cards) > 1:
            cards[1] = {**cards[0], "slot": 2}
        if self.mistake == "ghost":
            cards[0]["item_id"] = "ghost"
        return cards


def chunk(event):
    choice = {"index": 0, "delta": event.pop("delta", {}), "finish_reason": event.pop("finish", None)}
    return f"data: {json.dumps({'choices': [choice], **event})}\n\n"


def error(status, kind, message):
    return httpx.Response(status, json={"error": {"type": kind, "message": message, "param": None}})
