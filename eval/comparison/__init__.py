"""Every recommender in one table: same data, same split, same users, each with its settings, cost and interval."""
