from outpost.policy.topic_lint import JudgedTopic, judged_problems, topic_problems
from outpost.protocol.detectors import TopicRule


def rule(name, examples, kind=None):
    return TopicRule(id=name, kind=kind or f"topic.{name}", examples=examples)


def many(count, about="leave"):
    return [" ".join(f"{about}{word}{number}" for word in "abcdef") for number in range(count)]


def said(*rules):
    return [(p.topic, p.example, p.code, p.is_warning) for p in topic_problems(rules)]


def test_few_examples_are_a_warning_and_not_many_are_a_note():
    assert said(rule("a", many(4))) == [(0, None, "few-examples", True)]
    assert said(rule("a", many(9))) == [(0, None, "few-examples", False)]
    assert said(rule("a", many(10))) == []


def test_examples_of_two_topics_that_are_nearly_the_same_are_told_once_each():
    shared = "Please book two weeks of leave for me in the summer"
    first, second = rule("a", [shared, *many(9)]), rule("b", [*many(9, "pay"), f"{shared.upper()} now"])
    assert said(first, second) == [(1, 9, "alike-examples", True)]
    assert said(first, rule("b", second.examples, kind="topic.a")) == []


def test_what_a_pack_makes_of_topics_is_told():
    topics = [
        JudgedTopic("a", 9, 10, ("b", 0.41), 0),
        JudgedTopic("b", 2, 10, ("a", 0.7), 3),
        JudgedTopic("c", 0, 1, None, 0),
    ]
    problems = list(judged_problems(topics))
    assert [(p.topic, p.code, p.is_warning) for p in problems] == [
        (0, "topic", False),
        (1, "topic", True),
        (1, "topics-alike", True),
        (2, "topic", False),
    ]
    assert problems[0].message == "9 of 10 examples are recognised by the others; nearest is topic b (0.41)"
