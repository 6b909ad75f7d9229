"""The graph of one turn: guard -> understand -> recommend -> refine -> explain -> calm -> respond.

Small talk goes from understand to respond, "why" and "what is it about" to explain; refine goes back to recommend when
the language model understood more than the rules.
"""

from __future__ import annotations

import os

os.environ.setdefault("LANGGRAPH_STRICT_MSGPACK", "true")

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from agents.context import AgentContext
from agents.nodes.calm import calm
from agents.nodes.explain import after_recommend, explain
from agents.nodes.guard import after_guard, guard
from agents.nodes.recommend import recommend
from agents.nodes.refine import after_refine, refine
from agents.nodes.respond import respond
from agents.nodes.understand import after_understand, understand
from agents.state import ConversationState

NODES = ("guard", "understand", "recommend", "refine", "explain", "calm", "respond")
"""Names of the nodes, in the order of a turn."""

Graph = CompiledStateGraph[ConversationState, AgentContext, ConversationState, ConversationState]


def build_graph(checkpointer: BaseCheckpointSaver[str] | None = None) -> Graph:
    """The compiled graph.

    Args:
        checkpointer: where threads are kept; None keeps nothing (and is what `langgraph.json` exports).
    """
    graph = StateGraph(ConversationState, context_schema=AgentContext)
    for name, node in zip(NODES, (guard, understand, recommend, refine, explain, calm, respond), strict=True):
        graph.add_node(name, node)
    graph.add_edge(START, "guard")
    graph.add_conditional_edges("guard", after_guard, ["understand", "respond"])
    graph.add_conditional_edges("understand", after_understand, ["recommend", "explain", "calm", "respond"])
    graph.add_conditional_edges("recommend", after_recommend, ["refine", "explain"])
    graph.add_conditional_edges("refine", after_refine, ["recommend", "explain"])
    graph.add_edge("explain", "calm")
    graph.add_edge("calm", "respond")
    graph.add_edge("respond", END)
    return graph.compile(checkpointer=checkpointer, name="sidra")


def make_graph() -> Graph:
    """The graph for tools that bring their own checkpointer."""
    return build_graph()
